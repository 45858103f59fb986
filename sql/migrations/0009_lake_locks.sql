-- What a job locks that writes to a folder of a lake which several machines share: a row that nobody but
-- the writer can lock. A number of an advisory lock can be taken by any login.
CREATE TABLE recs.lake_folder (
    folder text PRIMARY KEY
);
COMMENT ON TABLE recs.lake_folder IS 'Folders of lakes outside of this machine; a job that writes to one locks its row.';
ALTER TABLE recs.lake_folder OWNER TO recsys_writer;
