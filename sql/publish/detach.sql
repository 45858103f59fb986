-- Takes a run's lists out of the published ones without making readers wait. Identifier: partition.
ALTER TABLE recs.user_list DETACH PARTITION recs.{partition} CONCURRENTLY
