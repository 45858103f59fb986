-- Which source rows could not be used, by rule, and is it more than in the run before?
SELECT
    q.source, q.reject_reason, q.refused, q.read,
    q.refused - coalesce(b.refused, 0) AS more
FROM recs.run_summary AS r
JOIN recs.quarantine_rule AS q ON q.run_id = r.run_id
LEFT JOIN recs.quarantine_rule AS b
    ON b.run_id = r.compared_with AND b.source = q.source AND b.reject_reason = q.reject_reason
WHERE r.live
ORDER BY q.refused DESC, q.source, q.reject_reason;
