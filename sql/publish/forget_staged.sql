-- Removes the rows of runs that never went live.
DELETE FROM recs.run WHERE status = 'staged'
