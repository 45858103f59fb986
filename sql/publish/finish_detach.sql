-- Ends a detachment that broke off. Identifier: partition.
ALTER TABLE recs.user_list DETACH PARTITION recs.{partition} FINALIZE
