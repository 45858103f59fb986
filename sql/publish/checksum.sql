-- Number of lists, and a checksum that depends neither on their order nor on the run. Identifier:
-- partition.
SELECT
    count(*),
    to_hex(coalesce(bit_xor(hash_record_extended(
        (l.user_id, l.item_ids, l.scores, l.sources, l.propensities), 0
    )), 0))
FROM recs.{partition} AS l
