-- The views of the published side, replaced whenever a migration has run: a change of one comes with a
-- migration. New columns go to the end. Analysts read all of them.

CREATE OR REPLACE VIEW recs.list_item AS
SELECT
    r.run_id,
    r.as_of,
    EXISTS (SELECT FROM recs.live AS p WHERE p.run_id = r.run_id) AS live,
    l.user_id,
    e.rank::integer AS rank,
    e.item_id,
    e.score,
    r.models[e.source + 1] AS source,
    e.propensity,
    i.title
FROM recs.user_list AS l
JOIN recs.run AS r USING (run_id)
CROSS JOIN LATERAL unnest(l.item_ids, l.scores, l.sources, l.propensities)
    WITH ORDINALITY AS e (item_id, score, source, propensity, rank)
LEFT JOIN recs.item AS i ON i.run_id = l.run_id AND i.item_id = e.item_id;

CREATE OR REPLACE VIEW recs.quarantine AS
SELECT r.run_id, r.as_of, q.source, q.user_id, q.item_id, q.reject_reason, q.source_row
FROM recs.quarantined_row AS q
JOIN recs.run AS r USING (run_id)
WHERE r.status IN ('published', 'held');

CREATE OR REPLACE VIEW recs.run_summary AS
SELECT
    r.run_id,
    r.as_of,
    r.status,
    EXISTS (SELECT FROM recs.live AS p WHERE p.run_id = r.run_id) AS live,
    (r.audit -> 'figures' ->> 'live_run')::bigint AS compared_with,
    r.users AS lists,
    r.created_at,
    r.published_at,
    m.ndcg,
    m.ndcg_low,
    m.ndcg_high,
    m.coverage,
    m.gini,
    m.top_1_percent_share,
    m.overlap,
    m.churn,
    m.fallback_share,
    m.empty_share,
    m.seconds
FROM recs.run AS r
LEFT JOIN (
    SELECT
        f.run_id,
        max(f.value) FILTER (WHERE f.name = 'ndcg') AS ndcg,
        max(f.low) FILTER (WHERE f.name = 'ndcg') AS ndcg_low,
        max(f.high) FILTER (WHERE f.name = 'ndcg') AS ndcg_high,
        max(f.value) FILTER (WHERE f.name = 'coverage') AS coverage,
        max(f.value) FILTER (WHERE f.name = 'gini') AS gini,
        max(f.value) FILTER (WHERE f.name = 'top_1_percent_share') AS top_1_percent_share,
        max(f.value) FILTER (WHERE f.name = 'overlap') AS overlap,
        max(f.value) FILTER (WHERE f.name = 'churn') AS churn,
        max(f.value) FILTER (WHERE f.name = 'fallback_share') AS fallback_share,
        max(f.value) FILTER (WHERE f.name = 'empty_share') AS empty_share,
        sum(f.value) FILTER (WHERE f.name = 'seconds') AS seconds
    FROM recs.run_metric AS f
    WHERE f.band IS NULL
    GROUP BY f.run_id
) AS m USING (run_id)
WHERE r.status <> 'staged';

CREATE OR REPLACE VIEW recs.night AS
SELECT
    r.as_of,
    CASE
        WHEN r.audit ->> 'outcome' = 'held' AND r.published_at IS NOT NULL THEN 'forced'
        ELSE coalesce(r.audit ->> 'outcome', r.status)
    END AS outcome,
    r.run_id,
    NULL::text AS step,
    v.reason,
    coalesce(r.published_at, r.created_at) AS ended_at,
    NULL::bigint AS stop_id
FROM recs.run AS r
CROSS JOIN LATERAL (
    SELECT string_agg(b.gate, '; ' ORDER BY b.place) AS reason
    FROM jsonb_array_elements_text(r.audit -> 'violations') WITH ORDINALITY AS b (gate, place)
) AS v
WHERE r.status <> 'staged'
UNION ALL
SELECT s.as_of, 'stopped', NULL, s.step, s.reason, s.stopped_at, s.stop_id
FROM recs.stopped_night AS s;

CREATE OR REPLACE VIEW recs.gate_result AS
SELECT
    m.run_id,
    r.as_of,
    m.name AS figure,
    m.value,
    m.least,
    m.most,
    coalesce(m.value >= m.least, true) AND coalesce(abs(m.value) <= m.most, true) AS passed
FROM recs.run_metric AS m
JOIN recs.run AS r USING (run_id)
WHERE m.least IS NOT NULL OR m.most IS NOT NULL;

CREATE OR REPLACE VIEW recs.contract_result AS
SELECT
    coalesce(r.as_of, s.as_of) AS as_of,
    c.run_id,
    c.stop_id,
    c.table_name,
    c.rule,
    c.severity,
    c.passed,
    c.observed,
    c.allowed
FROM recs.rule_result AS c
LEFT JOIN recs.run AS r ON r.run_id = c.run_id
LEFT JOIN recs.stopped_night AS s ON s.stop_id = c.stop_id;

CREATE OR REPLACE VIEW recs.quarantine_rule AS
SELECT
    m.run_id,
    r.as_of,
    split_part(m.label, ': ', 1) AS source,
    substr(m.label, strpos(m.label, ': ') + 2) AS reject_reason,
    m.value::bigint AS refused,
    a.value::bigint AS read
FROM recs.run_metric AS m
JOIN recs.run AS r USING (run_id)
LEFT JOIN recs.run_metric AS a
    ON a.run_id = m.run_id AND a.name = 'rows_read' AND a.label = split_part(m.label, ': ', 1)
WHERE m.name = 'rows_rejected';

CREATE OR REPLACE VIEW recs.step_time AS
SELECT m.run_id, r.as_of, m.label AS step, m.value AS seconds
FROM recs.run_metric AS m
JOIN recs.run AS r USING (run_id)
WHERE m.name = 'seconds';

CREATE OR REPLACE VIEW recs.market_health AS
SELECT
    m.run_id,
    r.as_of,
    m.label AS lists,
    max(m.value) FILTER (WHERE m.name = 'expected_matches') AS expected_matches,
    max(m.value) FILTER (WHERE m.name = 'unmatched_share') AS unmatched_share,
    max(m.value) FILTER (WHERE m.name = 'match_rate') AS match_rate,
    max(m.value) FILTER (WHERE m.name = 'gini_matches') AS gini_matches,
    max(m.value) FILTER (WHERE m.name = 'gini_people_exposure') AS gini_exposure,
    max(m.value) FILTER (WHERE m.name = 'top_1_percent_of_people') AS top_1_percent_share,
    max(m.value) FILTER (WHERE m.name = 'envied_others') AS envied_others,
    max(m.value) FILTER (WHERE m.name = 'nash_welfare') AS nash_welfare,
    max(m.value) FILTER (WHERE m.name = 'unseen_share') AS unseen_share,
    max(m.value) FILTER (WHERE m.name = 'demand_over_supply') AS demand_over_supply,
    m.band AS segment,
    max(m.value) FILTER (WHERE m.name = 'calibration_error_of_likes') AS likes_calibration_error,
    max(m.value) FILTER (WHERE m.name = 'calibration_error_of_answers') AS answers_calibration_error
FROM recs.run_metric AS m
JOIN recs.run AS r USING (run_id)
WHERE m.label IN ('one_sided', 'reciprocal')
GROUP BY m.run_id, r.as_of, m.label, m.band;

CREATE OR REPLACE VIEW recs.market_outcome AS
SELECT
    e.as_of,
    e.run_id,
    k.known_through,
    f.lists,
    f.entries,
    f.yeses,
    f.yeses::double precision / nullif(f.entries, 0) AS yes_rate,
    f.users::double precision / nullif(f.lists, 0) AS yes_share,
    f.matches,
    h.expected_matches,
    1 - f.matched::double precision / nullif(f.lists, 0) AS unmatched_share,
    h.unmatched_share AS expected_unmatched_share,
    k.run_id AS counted_by
FROM (
    -- The run that knows most of those that have counted.
    SELECT DISTINCT ON (m.label) m.label, m.run_id, n.as_of AS known_through
    FROM recs.run_metric AS m
    JOIN recs.run AS n USING (run_id)
    WHERE m.name = 'realised_lists'
    ORDER BY m.label, n.as_of DESC, n.run_id DESC
) AS k
CROSS JOIN LATERAL (
    SELECT
        max(m.value) FILTER (WHERE m.name = 'realised_lists')::bigint AS lists,
        max(m.value) FILTER (WHERE m.name = 'realised_entries')::bigint AS entries,
        max(m.value) FILTER (WHERE m.name = 'realised_yeses')::bigint AS yeses,
        max(m.value) FILTER (WHERE m.name = 'realised_users')::bigint AS users,
        max(m.value) FILTER (WHERE m.name = 'realised_matches')::bigint AS matches,
        max(m.value) FILTER (WHERE m.name = 'realised_matched')::bigint AS matched
    FROM recs.run_metric AS m
    WHERE m.run_id = k.run_id AND m.label = k.label AND m.name LIKE 'realised\_%'
) AS f
CROSS JOIN LATERAL (
    -- The label is the as-of as everything else writes it.
    SELECT r.run_id, r.as_of
    FROM recs.run AS r
    JOIN recs.switch AS s ON s.to_run = r.run_id
    WHERE r.run_id < k.run_id AND k.label IN (
        to_char(r.as_of AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI"Z"'),
        replace(to_char(r.as_of AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI"Z"'), 'T00:00Z', '')
    )
    ORDER BY r.run_id DESC
    LIMIT 1
) AS e
LEFT JOIN recs.market_health AS h
    ON h.run_id = e.run_id AND h.lists = 'reciprocal' AND h.segment IS NULL;

CREATE OR REPLACE VIEW recs.market_replies AS
SELECT
    d.as_of,
    d.run_id,
    d.known_through,
    d.decile,
    d.people,
    d.listed,
    d.asked,
    d.answered,
    d.answered::double precision / nullif(d.asked, 0) AS reply_rate
FROM (
    SELECT
        o.as_of,
        o.run_id,
        o.known_through,
        replace(m.band, 'exposure decile ', '')::integer AS decile,
        max(m.value) FILTER (WHERE m.name = 'exposed_people')::bigint AS people,
        max(m.value) FILTER (WHERE m.name = 'exposed_listed')::bigint AS listed,
        max(m.value) FILTER (WHERE m.name = 'exposed_asked')::bigint AS asked,
        max(m.value) FILTER (WHERE m.name = 'exposed_answered')::bigint AS answered
    FROM recs.market_outcome AS o
    JOIN recs.run_metric AS m ON m.run_id = o.counted_by
    WHERE m.name LIKE 'exposed\_%' AND m.label IN (
        to_char(o.as_of AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI"Z"'),
        replace(to_char(o.as_of AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI"Z"'), 'T00:00Z', '')
    )
    GROUP BY o.as_of, o.run_id, o.known_through, m.band
) AS d;

CREATE OR REPLACE VIEW recs.item_exposure AS
SELECT
    i.run_id,
    r.as_of,
    i.item_id,
    i.title,
    i.available,
    i.lists,
    i.exposure,
    i.exposure / nullif(sum(i.exposure) OVER (PARTITION BY i.run_id), 0) AS share
FROM recs.item AS i
JOIN recs.run AS r USING (run_id);

CREATE OR REPLACE VIEW recs.segment_share AS
SELECT
    p.run_id,
    r.as_of,
    p.segment,
    p.users,
    p.listed,
    p.fallback::double precision / nullif(p.users, 0) AS fallback_share,
    p.cold::double precision / nullif(p.users, 0) AS cold_share,
    p.empty::double precision / nullif(p.users, 0) AS empty_share,
    p.inactive
FROM (
    SELECT
        q.run_id,
        q.segment,
        sum(q.users)::bigint AS users,
        sum(q.listed)::bigint AS listed,
        sum(q.fallback)::bigint AS fallback,
        coalesce(sum(q.users) FILTER (WHERE q.band <> 'warm'), 0)::bigint AS cold,
        sum(q.empty)::bigint AS empty,
        sum(q.inactive)::bigint AS inactive
    FROM recs.population AS q
    GROUP BY q.run_id, q.segment
) AS p
JOIN recs.run AS r USING (run_id);

CREATE OR REPLACE VIEW recs.user_change AS
SELECT
    n.run_id,
    r.compared_with,
    n.user_id,
    r.depth AS places,
    c.shared::double precision / nullif(c.places, 0) AS overlap,
    1 - c.same::double precision / nullif(c.places, 0) AS churn
FROM (
    SELECT
        k.run_id,
        (k.audit -> 'figures' ->> 'live_run')::bigint AS compared_with,
        coalesce((k.audit -> 'figures' ->> 'depth')::integer, 20) AS depth
    FROM recs.run AS k
) AS r
JOIN recs.user_list AS n ON n.run_id = r.run_id
-- The limit has the other list looked for in its own run's table alone, and cut once.
CROSS JOIN LATERAL (
    SELECT n.item_ids[1:r.depth] AS new, b.item_ids[1:r.depth] AS old
    FROM recs.user_list AS b
    WHERE b.run_id = r.compared_with AND b.user_id = n.user_id
    LIMIT 1
) AS s
CROSS JOIN LATERAL (
    SELECT
        count(*) AS places,
        count(*) FILTER (WHERE e.new = e.old) AS same,
        count(*) FILTER (WHERE e.new = ANY (s.old)) AS shared
    FROM unnest(s.new, s.old) AS e (new, old)
) AS c
WHERE s.new <> '{}' AND s.old <> '{}';

CREATE OR REPLACE VIEW recs.user_without_list AS
SELECT l.run_id, r.as_of, l.user_id, 'everything was seen, blocked or not available' AS reason
FROM recs.user_list AS l
JOIN recs.run AS r USING (run_id)
WHERE l.item_ids = '{}'
UNION ALL
SELECT l.run_id, r.as_of, l.user_id, 'all of it was removed or blocked since'
FROM recs.user_list AS l
JOIN recs.run AS r USING (run_id)
-- The first place is looked at before the others are.
WHERE (
        EXISTS (SELECT FROM recs.removed_item AS x WHERE x.item_id = l.item_ids[1])
        OR EXISTS (
            SELECT FROM recs.blocked AS b WHERE b.user_id = l.user_id AND b.item_id = l.item_ids[1]
        )
    )
    AND NOT EXISTS (
        SELECT FROM unnest(l.item_ids) AS e (item_id)
        WHERE NOT EXISTS (SELECT FROM recs.removed_item AS x WHERE x.item_id = e.item_id)
            AND NOT EXISTS (
                SELECT FROM recs.blocked AS b WHERE b.user_id = l.user_id AND b.item_id = e.item_id
            )
    );

CREATE OR REPLACE VIEW recs.freshness AS
SELECT
    l.run_id,
    (r.stats ->> 'data_through')::timestamptz AS data_through,
    r.published_at,
    l.switched_at,
    now() - (r.stats ->> 'data_through')::timestamptz AS data_age,
    now() - r.published_at AS lists_age,
    (SELECT max(s.stopped_at) FROM recs.stopped_night AS s) AS last_stopped_at,
    r.as_of
FROM recs.live AS l
JOIN recs.run AS r USING (run_id);

GRANT SELECT ON recs.list_item, recs.quarantine, recs.run_summary, recs.night, recs.gate_result,
    recs.contract_result, recs.quarantine_rule, recs.step_time, recs.market_health,
    recs.market_outcome, recs.market_replies, recs.item_exposure, recs.segment_share, recs.user_change,
    recs.user_without_list, recs.freshness
    TO recsys_analyst;
