-- How good were the last 30 runs?
SELECT
    run_id, as_of, status, live, round(ndcg::numeric, 4) AS ndcg,
    round(ndcg_low::numeric, 4) AS low, round(ndcg_high::numeric, 4) AS high,
    round(coverage::numeric, 4) AS coverage, round(gini::numeric, 4) AS gini,
    round(churn::numeric, 4) AS churn, round(seconds::numeric) AS seconds
FROM recs.run_summary
ORDER BY run_id DESC
LIMIT 30;
