-- How much of the catalogue and of the exposure does each label have, and how much of it is shown to nobody?
SELECT
    t.tag,
    count(*) AS items,
    count(*) FILTER (WHERE i.lists = 0) AS in_no_list,
    round((sum(i.exposure) / nullif((sum(sum(i.exposure)) OVER ()), 0))::numeric, 4) AS share
FROM recs.item AS i
JOIN recs.live AS l USING (run_id)
CROSS JOIN LATERAL unnest(i.tags) AS t (tag)
WHERE i.available
GROUP BY t.tag
ORDER BY share DESC NULLS LAST, t.tag
LIMIT 20;
