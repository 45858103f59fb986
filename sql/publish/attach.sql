-- Makes one run's lists part of the published ones. Identifier: partition; literal: run_id.
ALTER TABLE recs.user_list ATTACH PARTITION recs.{partition} FOR VALUES IN ({run_id})
