-- Attached tables of lists whose run is retired, and whether a detachment of it broke off; such a one
-- comes first, for there can be no other meanwhile.
SELECT c.relname::text AS name, i.inhdetachpending AS pending
FROM pg_catalog.pg_inherits AS i
JOIN pg_catalog.pg_class AS c ON c.oid = i.inhrelid
JOIN recs.run AS r ON c.relname = 'user_list_run_' || r.run_id
WHERE i.inhparent = 'recs.user_list'::regclass AND r.status = 'retired'
ORDER BY i.inhdetachpending DESC, r.run_id
