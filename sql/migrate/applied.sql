-- Numbers of the migrations that have run, and the id types they ran with.
SELECT array_agg(m.number ORDER BY m.number), min(t.user_id), min(t.item_id)
FROM recs.migration AS m CROSS JOIN recs.id_types AS t
