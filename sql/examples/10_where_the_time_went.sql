-- How long did each step of the last run take, against the median of the ten before?
SELECT
    t.step,
    t.seconds,
    (
        SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY b.seconds)
        FROM (
            SELECT e.seconds FROM recs.step_time AS e
            WHERE e.step = t.step AND e.run_id < t.run_id
            ORDER BY e.run_id DESC
            LIMIT 10
        ) AS b
    ) AS usual
FROM recs.step_time AS t
WHERE t.run_id = (SELECT max(run_id) FROM recs.run_summary)
ORDER BY t.seconds DESC, t.step;
