-- In which segments does the fallback list answer most, and how many users are cold?
SELECT segment, users, round(fallback_share::numeric, 4) AS fallback, round(cold_share::numeric, 4) AS cold,
    round(empty_share::numeric, 4) AS nothing, inactive
FROM recs.segment_share
JOIN recs.live USING (run_id)
ORDER BY fallback_share DESC NULLS LAST, segment
LIMIT 20;
