-- Notes that what is published comes from demo data.
COMMENT ON TABLE recs.migration IS 'Demo data: recsys seed and recsys import replace what is published';
