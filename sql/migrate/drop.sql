-- Removes the published side with all its history. Identifier: owner.
SET LOCAL ROLE {owner};
DROP SCHEMA recs CASCADE;
RESET ROLE
