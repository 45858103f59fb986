-- Lists of a user in one table of lists. Identifier: partition; parameter: user_id.
SELECT count(*) AS lists FROM recs.{partition} AS l WHERE l.user_id = %(user_id)s
