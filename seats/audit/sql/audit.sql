-- Every change of an audited row is recorded by the database, whoever makes it.
--
-- Three triggers of a table call record_changes() once per statement, with all rows that
-- it changed; add_audit_triggers() makes them. The application tells by whom and why in
-- the setting `audit.origin`, which lasts as long as its transaction; what is changed by
-- hand has the database's own name of who did it. Rows are written as the owner: the
-- application can neither write nor change nor delete them.

REVOKE ALL ON seats_auditentry FROM :"app_role";
GRANT SELECT ON seats_auditentry TO :"app_role";
REVOKE ALL ON SEQUENCE seats_auditentry_id_seq FROM :"app_role";

CREATE OR REPLACE TRIGGER audit_entry_is_append_only
    BEFORE UPDATE OR DELETE OR TRUNCATE ON seats_auditentry
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- A row without the columns that do not matter, and with marks instead of secrets.
CREATE OR REPLACE FUNCTION audited_columns(content jsonb, secret text[], ignored text[])
RETURNS jsonb LANGUAGE sql IMMUTABLE AS $$
    SELECT (content - ignored) || coalesce((
        SELECT jsonb_object_agg(name, '***') FROM unnest(secret) AS name
        WHERE content ? name AND coalesce(content->>name, '') <> ''
    ), '{}')
$$;

-- The columns of `content` that differ in `other`.
CREATE OR REPLACE FUNCTION different_columns(content jsonb, other jsonb)
RETURNS jsonb LANGUAGE sql IMMUTABLE AS $$
    SELECT coalesce(jsonb_object_agg(key, value), '{}') FROM jsonb_each(content)
    WHERE value IS DISTINCT FROM other->key
$$;

-- Writes the entry of a row; none if nothing that matters is different.
CREATE OR REPLACE FUNCTION write_audit_entry(
    source jsonb, table_name text, arguments text[], old_row jsonb, new_row jsonb
) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    this_row jsonb := coalesce(new_row, old_row);
    secret text[] := arguments[5];
    ignored text[] := arguments[6];
    before jsonb := old_row;
    after jsonb := new_row;
BEGIN
    IF old_row IS NOT NULL AND new_row IS NOT NULL THEN
        before := different_columns(old_row - ignored, new_row);
        after := different_columns(new_row - ignored, old_row);
        IF after = '{}' THEN
            RETURN;
        END IF;
    END IF;
    INSERT INTO seats_auditentry (
        at, table_name, row_id, operation, agency_id, owner_id, label, before, after,
        actor_id, acting_as_id, key_id, process, database_role, ip, path, request_id,
        reason
    ) VALUES (
        now(), table_name, this_row->>arguments[1],
        CASE WHEN old_row IS NULL THEN 'insert'
             WHEN new_row IS NULL THEN 'delete' ELSE 'update' END,
        (this_row->>arguments[2])::bigint, (this_row->>arguments[3])::bigint,
        (SELECT coalesce(jsonb_object_agg(name, this_row->name), '{}')
         FROM unnest(arguments[4]::text[]) AS name),
        audited_columns(before, secret, ignored), audited_columns(after, secret, ignored),
        (source->>'actor')::bigint, (source->>'acting_as')::bigint,
        (source->>'key')::bigint, coalesce(source->>'process', ''), session_user,
        (source->>'ip')::inet, coalesce(source->>'path', ''),
        (source->>'request')::uuid, coalesce(source->>'reason', '')
    );
END $$;
REVOKE ALL ON FUNCTION write_audit_entry FROM PUBLIC;

-- Arguments of the triggers: the primary key, the columns of the agency and of the
-- agency that set the row up (may be empty), and arrays of columns: those that name the
-- row to people, secrets, and those of no interest.
--
-- Plans are kept from the first call, which may have had a single row; a nested loop of
-- many rows before and after would cost the square of their number.
CREATE OR REPLACE FUNCTION record_changes() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp
SET enable_nestloop = off AS $$
DECLARE
    source jsonb := coalesce(nullif(current_setting('audit.origin', true), ''), '{}');
    -- TG_ARGV counts from 0.
    arguments text[] := ARRAY[
        TG_ARGV[0], TG_ARGV[1], TG_ARGV[2], TG_ARGV[3], TG_ARGV[4], TG_ARGV[5]];
    key text := TG_ARGV[0];
BEGIN
    CASE TG_OP
    WHEN 'INSERT' THEN
        PERFORM write_audit_entry(source, TG_TABLE_NAME, arguments, NULL, to_jsonb(n))
        FROM new_rows AS n;
    WHEN 'DELETE' THEN
        PERFORM write_audit_entry(source, TG_TABLE_NAME, arguments, to_jsonb(o), NULL)
        FROM old_rows AS o;
    ELSE
        PERFORM write_audit_entry(source, TG_TABLE_NAME, arguments, o.content, n.content)
        FROM (SELECT to_jsonb(r) AS content FROM old_rows AS r) AS o
        JOIN (SELECT to_jsonb(r) AS content FROM new_rows AS r) AS n
            ON n.content->>key = o.content->>key;
    END CASE;
    RETURN NULL;
END $$;

-- Makes the triggers of a table; the arguments are those above.
CREATE OR REPLACE FUNCTION audit_table(
    audited regclass, key text, agency text, owner text,
    names text[], secret text[] DEFAULT '{}', ignored text[] DEFAULT '{}'
) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    call text := format('FOR EACH STATEMENT EXECUTE FUNCTION record_changes(%L, %L, %L, %L, %L, %L)',
        key, agency, owner, names, secret, ignored);
BEGIN
    EXECUTE format('CREATE OR REPLACE TRIGGER audit_insert AFTER INSERT ON %s'
        ' REFERENCING NEW TABLE AS new_rows %s', audited, call);
    EXECUTE format('CREATE OR REPLACE TRIGGER audit_update AFTER UPDATE ON %s'
        ' REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows %s', audited, call);
    EXECUTE format('CREATE OR REPLACE TRIGGER audit_delete AFTER DELETE ON %s'
        ' REFERENCING OLD TABLE AS old_rows %s', audited, call);
END $$;
REVOKE ALL ON FUNCTION audit_table FROM PUBLIC;
