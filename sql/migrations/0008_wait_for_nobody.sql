-- Publications that do not wait for anybody: changes of quarantined rows can be replicated, and lists of
-- forgotten users are deleted when the transaction that forgets them ends.

ALTER TABLE recs.quarantined_row REPLICA IDENTITY FULL;

-- A publication does not wait for who is forgetting a user, and may add a list while that goes on: so
-- lists are deleted at the end of the transaction, when such a one can be seen.
CREATE FUNCTION recs.delete_lists() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $delete$
DECLARE
    loose text;
BEGIN
    IF current_setting('transaction_isolation') <> 'read committed' THEN
        RAISE EXCEPTION 'recs.forget_user in a transaction that is not READ COMMITTED'
            USING HINT = 'It could not see the lists that are published meanwhile.';
    END IF;
    -- A publication holds a lock against this one from before it looks for forgotten users.
    LOCK TABLE recs.live IN ROW EXCLUSIVE MODE;
    DELETE FROM recs.user_list WHERE user_id = NEW.user_id;
    DELETE FROM recs.quarantined_row WHERE user_id = NEW.user_id::text;
    -- Tables that are being loaded or removed.
    FOR loose IN
        SELECT c.relname
        FROM pg_catalog.pg_class AS c
        LEFT JOIN pg_catalog.pg_inherits AS i ON i.inhrelid = c.oid
        WHERE c.relnamespace = 'recs'::regnamespace AND c.relkind = 'r'
            AND c.relname LIKE 'user\_list\_run\_%' AND coalesce(i.inhdetachpending, true)
    LOOP
        BEGIN
            -- While they are loaded, uuids are text there.
            EXECUTE format('DELETE FROM recs.%I WHERE user_id::text = $1', loose)
            USING NEW.user_id::text;
        EXCEPTION WHEN undefined_table THEN
            NULL;
        END;
    END LOOP;
    RETURN NULL;
END
$delete$;
ALTER FUNCTION recs.delete_lists OWNER TO recsys_writer;
REVOKE ALL ON FUNCTION recs.delete_lists FROM public;
CREATE CONSTRAINT TRIGGER delete_lists AFTER INSERT OR UPDATE ON recs.forgotten_user
DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION recs.delete_lists();

CREATE OR REPLACE FUNCTION recs.forget_user(gone :user_id_type) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    INSERT INTO recs.forgotten_user (user_id) VALUES (gone)
    ON CONFLICT (user_id) DO UPDATE SET forgotten_at = forgotten_user.forgotten_at;
    DELETE FROM recs.blocked WHERE user_id = gone;
    DELETE FROM recs.user_list WHERE user_id = gone;
    DELETE FROM recs.quarantined_row WHERE user_id = gone::text;
END;
