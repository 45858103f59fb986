-- Instants that a configuration has published a run of, and whether one of the instant's runs is live.
-- Parameters: config_hash, first, last.
SELECT r.as_of, bool_or(EXISTS (SELECT FROM recs.live AS l WHERE l.run_id = r.run_id)) AS live
FROM recs.run AS r
WHERE r.config_hash = %(config_hash)s AND r.as_of BETWEEN %(first)s AND %(last)s
    AND r.published_at IS NOT NULL
GROUP BY r.as_of
ORDER BY r.as_of
