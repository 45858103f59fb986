-- Deletes a user's lists and keeps later ones from being used. Parameter: user_id.
SELECT recs.forget_user(%(user_id)s)
