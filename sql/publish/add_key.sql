-- The key of one run's lists; fails if a user has two. Identifier: partition.
ALTER TABLE recs.{partition} ADD PRIMARY KEY (run_id, user_id)
