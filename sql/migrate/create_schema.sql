-- Makes the schema of the published side, the writer's.
CREATE SCHEMA recs;
ALTER SCHEMA recs OWNER TO recsys_writer
