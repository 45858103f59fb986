-- Rows of the published side that hold something of a user. Parameter: user_id.
SELECT
    (SELECT count(*) FROM recs.user_list AS l WHERE l.user_id = %(user_id)s)
    + (SELECT count(*) FROM recs.blocked AS b WHERE b.user_id = %(user_id)s)
    + (SELECT count(*) FROM recs.quarantined_row AS q WHERE q.user_id = cast(%(user_id)s AS text))
