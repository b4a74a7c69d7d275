"""What a database consists of, read from its catalogue in a form that compares.

Left out: the order of columns, which ALTER TABLE and CREATE TABLE give differently, and
the names of sequences and of keys that Django makes up, which keep the first name of a
table or column that was renamed.
"""

import re
from collections.abc import Iterator
from typing import Any

Catalogue = dict[str, str]
MADE_UP = re.compile(
    r"(_fk_\w+|_pkey|_key|_uniq|_like|_not_null|_check\d*|_[0-9a-f]{8})$"
)

COLUMNS = """
SELECT c.relname || '.' || a.attname,
       concat_ws(' ', format_type(a.atttypid, a.atttypmod),
                 CASE WHEN a.attnotnull THEN 'NOT NULL' END,
                 'DEFAULT ' || pg_get_expr(d.adbin, d.adrelid),
                 'IDENTITY ' || nullif(a.attidentity::text, ''),
                 'GENERATED ' || nullif(a.attgenerated::text, ''))
FROM pg_attribute a
JOIN pg_class c ON c.oid = a.attrelid
LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')
  AND a.attnum > 0 AND NOT a.attisdropped
"""
TABLES = """
SELECT relname, concat_ws(' ', relkind, pg_get_partkeydef(oid), reloptions::text,
                          CASE WHEN relrowsecurity THEN 'ROW LEVEL SECURITY' END,
                          CASE WHEN relforcerowsecurity THEN 'FORCED' END)
FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')
"""
CONSTRAINTS = """
SELECT conrelid::regclass || ' ' || conname, pg_get_constraintdef(oid)
FROM pg_constraint
WHERE connamespace = 'public'::regnamespace AND conrelid <> 0
"""
INDEXES = """
SELECT i.indrelid::regclass || ' ' || c.relname,
       regexp_replace(pg_get_indexdef(i.indexrelid), ' INDEX \\S+ ON ', ' INDEX ON ')
FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
WHERE c.relnamespace = 'public'::regnamespace
"""
SEQUENCES = """
SELECT coalesce(d.refobjid::regclass || '.' || a.attname, s.seqrelid::regclass::text),
       format('%s START %s INCREMENT %s CACHE %s CYCLE %s', s.seqtypid::regtype,
              s.seqstart, s.seqincrement, s.seqcache, s.seqcycle)
FROM pg_sequence s
LEFT JOIN pg_depend d ON d.objid = s.seqrelid AND d.deptype IN ('a', 'i')
    AND d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass
LEFT JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
"""
VIEWS = """
SELECT relname, pg_get_viewdef(oid) FROM pg_class
WHERE relnamespace = 'public'::regnamespace AND relkind IN ('v', 'm')
"""
FUNCTIONS = """
SELECT oid::regprocedure::text, pg_get_functiondef(oid)
FROM pg_proc WHERE pronamespace = 'public'::regnamespace
"""
TRIGGERS = """
SELECT tgrelid::regclass || ' ' || tgname, tgenabled::text || ' ' || pg_get_triggerdef(oid)
FROM pg_trigger WHERE NOT tgisinternal
"""
POLICIES = """
SELECT tablename || ' ' || policyname,
       concat_ws(' ', permissive, cmd, roles::text, qual, with_check)
FROM pg_policies WHERE schemaname = 'public'
"""
TYPES = """
SELECT typname, typtype::text FROM pg_type
WHERE typnamespace = 'public'::regnamespace AND typtype IN ('d', 'e', 'r')
"""
# Of a sequence, by the column that owns it: its own name may be that of an older table.
GRANTS = """
SELECT coalesce(d.refobjid::regclass || ' ', c.relname || ' ') || c.relkind::text,
       string_agg(g.grantee::regrole || ' ' || g.privilege_type, ', '
                  ORDER BY g.grantee::regrole::text, g.privilege_type)
FROM pg_class c
LEFT JOIN pg_depend d ON d.objid = c.oid AND d.deptype IN ('a', 'i') AND c.relkind = 'S'
    AND d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass
CROSS JOIN LATERAL aclexplode(c.relacl) g
WHERE c.relnamespace = 'public'::regnamespace GROUP BY 1
UNION ALL
SELECT c.relname || '.' || a.attname,
       string_agg(g.grantee::regrole || ' ' || g.privilege_type, ', '
                  ORDER BY g.grantee::regrole::text, g.privilege_type)
FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
CROSS JOIN LATERAL aclexplode(a.attacl) g
WHERE c.relnamespace = 'public'::regnamespace GROUP BY 1
UNION ALL
SELECT oid::regprocedure::text, proacl::text FROM pg_proc
WHERE pronamespace = 'public'::regnamespace AND proacl IS NOT NULL
UNION ALL
SELECT 'default ' || defaclrole::regrole || ' ' || defaclobjtype::text, defaclacl::text
FROM pg_default_acl
"""
KINDS = {
    "table": TABLES,
    "column": COLUMNS,
    "constraint": CONSTRAINTS,
    "index": INDEXES,
    "sequence": SEQUENCES,
    "view": VIEWS,
    "function": FUNCTIONS,
    "trigger": TRIGGERS,
    "policy": POLICIES,
    "type": TYPES,
    "grant": GRANTS,
}


def catalogue(cursor: Any) -> Catalogue:
    """Every object of the schema `public` with its definition, by kind and name."""
    objects: Catalogue = {}
    for kind, query in KINDS.items():
        cursor.execute(query)
        for name, definition in cursor.fetchall():
            if kind in {"constraint", "index"} and MADE_UP.search(name):
                table = name.partition(" ")[0]
                objects[f"{kind} {table}: {definition}"] = definition
            else:
                objects[f"{kind} {name}"] = definition
    return objects


def differences(before: Catalogue, after: Catalogue) -> Iterator[str]:
    """One line for each object that is missing, extra or defined in another way."""
    for name in sorted(before.keys() | after.keys()):
        if name not in after:
            yield f"missing: {name}: {before[name]}"
        elif name not in before:
            yield f"extra: {name}: {after[name]}"
        elif before[name] != after[name]:
            yield f"different: {name}: {before[name]} -> {after[name]}"
