-- What did users turn to of what the last 30 live runs listed, and in a market of people, who found whom?
SELECT
    as_of, known_through, entries, yeses, round(yes_rate::numeric, 4) AS yes_rate,
    round(yes_share::numeric, 4) AS yes_share, matches,
    round(expected_matches::numeric, 1) AS expected, round(unmatched_share::numeric, 4) AS unmatched
FROM recs.market_outcome
ORDER BY as_of DESC
LIMIT 30;
