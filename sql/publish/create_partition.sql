-- A table for one run's lists, beside the published ones. Identifier: partition; literal: run_id.
CREATE TABLE recs.{partition} (LIKE recs.user_list, CHECK (run_id = {run_id}));
ALTER TABLE recs.{partition} ALTER COLUMN run_id SET DEFAULT {run_id}
