"""The amount of an inquiry is replaced by that of the dispute that follows it."""

from django.db import migrations

from core.postgres.privileges import restrict

MOVES = """
-- That money was withheld may be told after it came back; dates are said once. An inquiry
-- moves no money, so its amount is open until the dispute itself is told.
CREATE OR REPLACE FUNCTION dispute_moves() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.amount <> OLD.amount AND OLD.state <> 'inquiry' THEN
        RAISE EXCEPTION 'the amount of a dispute that is % does not change', OLD.state
            USING ERRCODE = 'insufficient_privilege', CONSTRAINT = 'dispute_moves';
    END IF;
    IF (OLD.opened_at IS NOT NULL AND NEW.opened_at IS DISTINCT FROM OLD.opened_at)
       OR (OLD.closed_at IS NOT NULL AND NEW.closed_at IS DISTINCT FROM OLD.closed_at)
       OR (NEW.state <> OLD.state AND (OLD.state, NEW.state) NOT IN (VALUES
            ('inquiry', 'open'), ('inquiry', 'won'), ('inquiry', 'lost'),
            ('open', 'won'), ('open', 'lost'))) THEN
        RAISE EXCEPTION 'a dispute does not go from % to %', OLD.state, NEW.state
            USING ERRCODE = 'check_violation', CONSTRAINT = 'dispute_moves';
    END IF;
    RETURN NEW;
END $$;
"""


class Migration(migrations.Migration):
    dependencies = [
        ("billing", "0028_closed_by"),
    ]

    operations = [
        migrations.RunSQL(MOVES, migrations.RunSQL.noop),
        restrict(
            {
                "billing_dispute": (
                    "SELECT, INSERT,"
                    " UPDATE (state, amount, reason, told_at, opened_at, closed_at)"
                ),
            }
        ),
    ]
