-- Which nights did not go live, why, and which rules of contracts were broken?
SELECT
    n.as_of, n.outcome, n.step, n.reason,
    (
        SELECT string_agg(concat(c.table_name, ': ', c.rule, ' is ', c.observed), '; ' ORDER BY c.table_name, c.rule)
        FROM recs.contract_result AS c
        WHERE NOT c.passed AND (c.run_id = n.run_id OR c.stop_id = n.stop_id)
    ) AS broken_rules
FROM recs.night AS n
WHERE n.outcome IN ('held', 'forced', 'stopped')
ORDER BY n.ended_at DESC
LIMIT 30;
