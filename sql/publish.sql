-- Publication of a run, in the order in which its statements run; then the live pointer moved by hand.

-- name: become_writer
-- From here on, act with the rights of the writer and no more.
SET ROLE recsys_writer

-- name: lock
-- Lets only one publication run at a time, and no migration meanwhile; held to the end of the
-- transaction, which may idle for as long as lists are loaded. Nobody but the writer can lock the row.
-- A lock of a table would keep vacuuming waiting.
SET LOCAL idle_in_transaction_session_timeout = 0;
SELECT FROM recs.id_types AS t FOR UPDATE

-- name: locked
-- Fails where the session that lets only one publication run has ended.
SELECT 1

-- name: abandoned
-- Tables of lists that no run has attached: a publication that did not finish left them.
SELECT c.relname::text AS name
FROM pg_catalog.pg_class AS c
WHERE c.relnamespace = 'recs'::regnamespace AND c.relkind = 'r' AND NOT c.relispartition
    AND c.relname LIKE 'user\_list\_run\_%'

-- name: drop_table
-- Removes a table of lists. Identifier: partition.
DROP TABLE recs.{partition}

-- name: forget_staged
-- Removes the rows of runs that never went live.
DELETE FROM recs.run WHERE status = 'staged'

-- name: live_run
-- The live run; no row before the first publication.
SELECT l.run_id FROM recs.live AS l

-- name: new_run
-- Opens a run. Parameters: as_of, config_hash, code_version, models, stats.
INSERT INTO recs.run (as_of, config_hash, code_version, models, stats)
VALUES (%(as_of)s, %(config_hash)s, %(code_version)s, %(models)s, %(stats)s)
RETURNING run_id

-- name: create_partition
-- A table for one run's lists, beside the published ones. Identifier: partition; literal: run_id.
CREATE TABLE recs.{partition} (LIKE recs.user_list INCLUDING STORAGE, CHECK (run_id = {run_id}));
ALTER TABLE recs.{partition} ALTER COLUMN run_id SET DEFAULT {run_id}

-- name: load_ids_as_text
-- Ids of type uuid arrive as text. Identifier: partition; composed: user_id, item_id, the types to
-- load into, then to keep.
ALTER TABLE recs.{partition}
    ALTER COLUMN user_id TYPE {user_id} USING user_id::{user_id},
    ALTER COLUMN item_ids TYPE {item_id}[] USING item_ids::{item_id}[],
    ALTER COLUMN because_ids TYPE {item_id}[] USING because_ids::{item_id}[]

-- name: add_key
-- The key of one run's lists; fails if a user has two. Identifier: partition.
ALTER TABLE recs.{partition} ADD PRIMARY KEY (run_id, user_id)

-- name: checksum
-- Number of lists, and a checksum that depends neither on their order nor on the run. Identifier:
-- partition.
SELECT
    count(*),
    to_hex(coalesce(bit_xor(hash_record_extended(
        (l.user_id, l.item_ids, l.scores, l.sources, l.propensities), 0
    )), 0))
FROM recs.{partition} AS l

-- name: switch_lock
-- Keeps a switch of the live run, the removal of old runs and the end of forgetting a user apart; held
-- to the transaction's end. Nobody but the writer can hold it. Readers do not wait.
LOCK TABLE recs.live IN SHARE ROW EXCLUSIVE MODE

-- name: attach
-- Makes one run's lists part of the published ones. Identifier: partition; literal: run_id.
ALTER TABLE recs.user_list ATTACH PARTITION recs.{partition} FOR VALUES IN ({run_id})

-- name: complete
-- Notes that a run's lists are complete. Parameters: run_id, status (published or held), users,
-- list_hash, audit.
UPDATE recs.run
SET status = %(status)s, users = %(users)s, list_hash = %(list_hash)s, audit = %(audit)s,
    published_at = CASE WHEN %(status)s = 'published' THEN now() END
WHERE run_id = %(run_id)s

-- name: add_fallback
-- A list for users without their own. Parameters: run_id, segment, item_ids, scores.
INSERT INTO recs.fallback_list (run_id, segment, item_ids, scores)
VALUES (%(run_id)s, %(segment)s, %(item_ids)s::text[]::{item_id}[], %(scores)s::real[])

-- name: add_items
-- The items of a run, as CSV; labels as array literals.
COPY recs.item (run_id, item_id, title, available, tags, attributes, lists, exposure)
FROM STDIN WITH (FORMAT csv)

-- name: add_metrics
-- The figures of a run. Parameters: run_id, rows (JSON).
INSERT INTO recs.run_metric (run_id, name, band, label, value, low, high, least, most)
SELECT %(run_id)s, x.name, x.band, x.label, x.value, x.low, x.high, x.least, x.most
FROM json_to_recordset(%(rows)s) AS x (
    name text, band text, label text, value double precision,
    low double precision, high double precision, least double precision, most double precision
)

-- name: add_population
-- Users by segment and band. Parameters: run_id, rows (JSON).
INSERT INTO recs.population (run_id, segment, band, users, listed, empty, fallback, inactive)
SELECT %(run_id)s, x.segment, x.band, x.users, x.listed, x.empty, x.fallback, x.inactive
FROM json_to_recordset(%(rows)s) AS x (
    segment text, band text,
    users bigint, listed bigint, empty bigint, fallback bigint, inactive bigint
)

-- name: add_rules
-- What a run, or a night that was stopped, was held to. Parameters: run_id, stop_id, rows (JSON).
INSERT INTO recs.rule_result
    (run_id, stop_id, table_name, rule, severity, passed, observed, allowed)
SELECT
    %(run_id)s, %(stop_id)s, x."table", x.rule, x.severity, x.passed, x.observed, x.allowed
FROM json_to_recordset(%(rows)s) AS x (
    "table" text, rule text, severity text, passed boolean, observed text, allowed text
)

-- name: add_stopped
-- Notes a night that ended before it had lists. Parameters: as_of, step, error, exit_code, reason,
-- config_hash, code_version.
INSERT INTO recs.stopped_night
    (as_of, step, error, exit_code, reason, config_hash, code_version)
VALUES (
    %(as_of)s, %(step)s, %(error)s, %(exit_code)s, %(reason)s, %(config_hash)s, %(code_version)s
)
RETURNING stop_id

-- name: forget_listed
-- Deletes lists and quarantined rows of users who were forgotten after the run had read their data. Of
-- those who are being forgotten, the transaction that forgets them deletes what it then sees.
-- Identifier: partition; literal: run_id.
DELETE FROM recs.{partition} AS l USING recs.forgotten_user AS f WHERE f.user_id = l.user_id;
DELETE FROM recs.quarantined_row AS q USING recs.forgotten_user AS f
WHERE q.run_id = {run_id} AND q.user_id = f.user_id::text

-- name: switch
-- Points lookups at a run, records it, and writes its table into the lookup. Parameters: run_id,
-- reason.
WITH before AS (SELECT max(l.run_id) AS run_id FROM recs.live AS l),
recorded AS (
    INSERT INTO recs.switch (from_run, to_run, reason)
    SELECT before.run_id, %(run_id)s, %(reason)s FROM before
)
INSERT INTO recs.live (run_id) VALUES (%(run_id)s)
ON CONFLICT (one) DO UPDATE SET run_id = excluded.run_id, switched_at = now();
SELECT recs.write_lookup(%(run_id)s)

-- name: retire
-- Marks old runs for removal, never the live one: of those that have been live the newest stay, and
-- as many of the others, so that a backfill does not take away what a rollback would go back to.
-- Parameter: keep.
WITH placed AS (
    SELECT r.run_id, row_number() OVER (
        PARTITION BY EXISTS (SELECT FROM recs.switch AS s WHERE s.to_run = r.run_id)
        ORDER BY r.run_id DESC
    ) AS place
    FROM recs.run AS r
    WHERE r.status IN ('published', 'held')
)
UPDATE recs.run SET status = 'retired'
FROM placed AS p
WHERE run.run_id = p.run_id AND p.place > %(keep)s
    AND NOT EXISTS (SELECT FROM recs.live AS l WHERE l.run_id = p.run_id)

-- name: clear_retired
-- Deletes the rows of retired runs that are kept as long as their lists; their figures stay.
WITH gone AS (
    DELETE FROM recs.fallback_list AS f USING recs.run AS r
    WHERE r.run_id = f.run_id AND r.status = 'retired'
),
named AS (
    DELETE FROM recs.item AS i USING recs.run AS r
    WHERE r.run_id = i.run_id AND r.status = 'retired'
)
DELETE FROM recs.quarantined_row AS q USING recs.run AS r
WHERE r.run_id = q.run_id AND r.status = 'retired'

-- name: detachable
-- Attached tables of lists whose run is retired, and whether a detachment of it broke off; such a one
-- comes first, for there can be no other meanwhile.
SELECT c.relname::text AS name, i.inhdetachpending AS pending
FROM pg_catalog.pg_inherits AS i
JOIN pg_catalog.pg_class AS c ON c.oid = i.inhrelid
JOIN recs.run AS r ON c.relname = 'user_list_run_' || r.run_id
WHERE i.inhparent = 'recs.user_list'::regclass AND r.status = 'retired'
ORDER BY i.inhdetachpending DESC, r.run_id

-- name: detach
-- Takes a run's lists out of the published ones without making readers wait. Identifier: partition.
ALTER TABLE recs.user_list DETACH PARTITION recs.{partition} CONCURRENTLY

-- name: finish_detach
-- Ends a detachment that broke off. Identifier: partition.
ALTER TABLE recs.user_list DETACH PARTITION recs.{partition} FINALIZE

-- name: readers
-- Sessions that use a table, in words. Parameter: table.
SELECT concat('pid ', a.pid, ' of login ', a.usename)
FROM pg_catalog.pg_stat_activity AS a
WHERE a.pid <> pg_backend_pid() AND a.datname = current_database()
    AND a.pid IN (
        SELECT l.pid FROM pg_catalog.pg_locks AS l
        JOIN pg_catalog.pg_class AS c ON c.oid = l.relation
        WHERE c.relnamespace = 'recs'::regnamespace AND c.relname IN (%(table)s, 'user_list')
    )
ORDER BY a.pid

-- name: wait_at_most
-- How long statements from here on wait for a lock. Parameters: limit, local (to the transaction's end).
SELECT set_config('lock_timeout', %(limit)s, %(local)s)

-- name: previous
-- The newest run before the live one that has been live itself and whose lists are still there.
SELECT r.run_id
FROM recs.run AS r
JOIN recs.live AS l ON r.run_id < l.run_id
WHERE r.status = 'published' AND EXISTS (SELECT FROM recs.switch AS s WHERE s.to_run = r.run_id)
ORDER BY r.run_id DESC
LIMIT 1

-- name: others
-- Runs beside the live one that lookups can be pointed at, newest first.
SELECT r.run_id
FROM recs.run AS r
WHERE r.status = 'published' AND NOT EXISTS (SELECT FROM recs.live AS l WHERE l.run_id = r.run_id)
ORDER BY r.run_id DESC

-- name: promotable
-- The status of a run, and whether it is live already. Parameter: run_id.
SELECT r.status, EXISTS (SELECT FROM recs.live AS l WHERE l.run_id = r.run_id) AS live
FROM recs.run AS r
WHERE r.run_id = %(run_id)s

-- name: release
-- Notes that a held run was published after all. Parameter: run_id.
UPDATE recs.run SET status = 'published', published_at = coalesce(published_at, now())
WHERE run_id = %(run_id)s

-- name: forget_user
-- Deletes a user's lists and keeps later ones from being used. Parameter: user_id.
SELECT recs.forget_user(%(user_id)s)
