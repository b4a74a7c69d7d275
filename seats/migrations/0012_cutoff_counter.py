"""The row with the cut-off of an agency is its counter; books are kept elsewhere.

It renames the table in one step with all functions that read it.
"""

import django.db.models.deletion
from django.db import migrations, models

FUNCTIONS = """
SET LOCAL check_function_bodies = off;

CREATE OR REPLACE FUNCTION agencies_with_pending_usage(month date)
RETURNS SETOF bigint
LANGUAGE sql STABLE SET search_path = public, pg_temp AS $$
    SELECT counter.agency_id
    FROM {table} AS counter
    CROSS JOIN LATERAL (
        SELECT min(coalesce(mark.billed_cutoff, 0)) AS cutoff
        FROM (
            SELECT counter.agency_id AS payer_id
            UNION
            SELECT share.payer_id FROM billing_payershare AS share
            JOIN billing_payershareset AS s ON s.id = share.share_set_id
            WHERE s.agency_id = counter.agency_id
        ) AS pair
        LEFT JOIN billing_watermark AS mark
            ON mark.payer_id = pair.payer_id AND mark.agency_id = counter.agency_id
    ) AS billed
    WHERE EXISTS (
        SELECT FROM generate_series(billed.cutoff + 1, counter.cutoff) AS open(cutoff)
        JOIN billing_usageday AS day
            ON day.agency_id = counter.agency_id AND day.cutoff = open.cutoff
           AND day.used_on >= date_trunc('month', month)::date
           AND day.used_on < (date_trunc('month', month) + interval '1 month')::date)
    ORDER BY counter.agency_id
$$;

CREATE OR REPLACE FUNCTION cutoff_counter_only_rises()
RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.agency_id <> OLD.agency_id OR NEW.cutoff < OLD.cutoff
       OR (OLD.closed_through IS NOT NULL
           AND NEW.closed_through IS DISTINCT FROM
               greatest(NEW.closed_through, OLD.closed_through)) THEN
        RAISE EXCEPTION 'the cut-off counter of agency % only rises', OLD.agency_id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'cutoff_counter_only_rises';
    END IF;
    RETURN NEW;
END $$;

CREATE OR REPLACE FUNCTION fact_has_current_stamp()
RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (
        SELECT FROM (SELECT DISTINCT agency_id, cutoff FROM fresh) AS fact
        LEFT JOIN {table} AS counter USING (agency_id)
        WHERE counter.cutoff IS DISTINCT FROM fact.cutoff
    ) THEN
        RAISE EXCEPTION 'a fact in % lacks the current cut-off of its agency',
            TG_TABLE_NAME
            USING ERRCODE = 'check_violation', CONSTRAINT = 'fact_has_current_stamp';
    END IF;
    RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION shares_change_open_months()
RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (
        SELECT FROM fresh JOIN {table} AS counter USING (agency_id)
        WHERE fresh.starts_on < counter.closed_through + interval '1 month'
    ) THEN
        RAISE EXCEPTION 'payers change only in months not yet cut off'
            USING ERRCODE = 'check_violation',
                  CONSTRAINT = 'shares_change_open_months';
    END IF;
    RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION usage_day_is_open()
RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (
        SELECT FROM (SELECT DISTINCT agency_id, cutoff FROM before) AS fact
        LEFT JOIN {table} AS counter USING (agency_id)
        WHERE counter.cutoff IS DISTINCT FROM fact.cutoff
    ) THEN
        RAISE EXCEPTION 'a usage day is frozen once its cut-off is taken'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'usage_day_is_open';
    END IF;
    RETURN NULL;
END $$;
"""
GUARD = """
ALTER FUNCTION {before}() RENAME TO {after};
ALTER TRIGGER {before} ON seats_books RENAME TO {after};
"""
OLD, NEW = "books_only_move_forward", "cutoff_counter_only_rises"


def functions(table: str) -> str:
    """The functions that read the table, by the name it has."""
    return FUNCTIONS.replace("{table}", table)


class Migration(migrations.Migration):
    dependencies = [
        ("seats", "0011_constraint_names"),
        ("billing", "0037_billing_account"),  # it has functions that read the table
    ]

    operations = [
        migrations.RunSQL(
            GUARD.format(before=OLD, after=NEW), GUARD.format(before=NEW, after=OLD)
        ),
        migrations.RenameModel("Books", "CutoffCounter"),
        migrations.AlterModelOptions(name="cutoffcounter", options={}),
        migrations.AlterField(
            model_name="cutoffcounter",
            name="agency",
            field=models.OneToOneField(
                on_delete=django.db.models.deletion.PROTECT,
                primary_key=True,
                related_name="cutoff_counter",
                serialize=False,
                to="seats.agency",
            ),
        ),
        migrations.RunSQL(functions("seats_cutoffcounter"), functions("seats_books")),
    ]
