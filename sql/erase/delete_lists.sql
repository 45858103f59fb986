-- Deletes a user's list from one table of lists. Identifier: partition; parameter: user_id.
DELETE FROM recs.{partition} AS l WHERE l.user_id = %(user_id)s
