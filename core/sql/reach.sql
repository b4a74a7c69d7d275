-- What the transaction reaches, for the policies of tables with rows of agencies.
--
-- Pages for members read as a role of their own, to which a table shows what a policy
-- says, and without a policy nothing. Policies compare with the ids that the setting
-- `reach.KIND` of the transaction contains; without the setting there are none. They
-- compare by `IN (SELECT unnest(reach(...)))`, which the planner hashes once for a
-- statement, however many ids there are.

CREATE OR REPLACE FUNCTION reach(kind text) RETURNS bigint[]
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT nullif(current_setting('reach.' || kind, true), '')::bigint[]
$$;

-- Whether the role that asks sees the row that an entry of the admin's history is about.
-- A table that it may not read has no rows for it.
CREATE OR REPLACE FUNCTION sees_row(content_type integer, key text) RETURNS boolean
LANGUAGE plpgsql STABLE AS $$
DECLARE
    name text;
    seen boolean;
BEGIN
    SELECT app_label || '_' || model INTO name
    FROM django_content_type WHERE id = content_type;
    IF key !~ '^[0-9]{1,18}$' OR to_regclass(quote_ident(name)) IS NULL
        OR NOT has_column_privilege(quote_ident(name), 'id', 'SELECT')
    THEN
        RETURN false;
    END IF;
    EXECUTE format('SELECT EXISTS (SELECT FROM %I WHERE id = $1)', name)
        INTO seen USING key::bigint;
    RETURN seen;
END $$;

-- Kinds of rows, the same for everybody.
GRANT SELECT ON django_content_type TO :"member_role";
