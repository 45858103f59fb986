-- The lookup does not ask whether a user was forgotten, because no list of one is published any more; its
-- present form is in sql/repeatable/lookup.sql.

DELETE FROM recs.user_list AS l USING recs.forgotten_user AS f WHERE f.user_id = l.user_id;
COMMENT ON TABLE recs.forgotten_user IS 'Users whose lists are not published any more.';
