-- Do people who are shown to many answer as often as others? In a market of people, the last 7 runs looked back at.
SELECT
    decile, round(sum(listed)::numeric / nullif(sum(people), 0), 1) AS lists_a_person,
    sum(asked) AS asked, sum(answered) AS answered,
    round(sum(answered)::numeric / nullif(sum(asked), 0), 4) AS reply_rate
FROM recs.market_replies
WHERE as_of IN (SELECT as_of FROM recs.market_outcome ORDER BY as_of DESC LIMIT 7)
GROUP BY decile
ORDER BY decile;
