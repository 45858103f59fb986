-- Lets a folder of the lake be locked, from the first time on. Parameter: folder.
INSERT INTO recs.lake_folder (folder) VALUES (%(folder)s) ON CONFLICT DO NOTHING
