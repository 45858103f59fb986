-- Lets the writer work in a schema that was made for it, and let others in. Identifier: owner.
SET LOCAL ROLE {owner};
GRANT USAGE, CREATE ON SCHEMA recs TO recsys_writer WITH GRANT OPTION;
RESET ROLE
