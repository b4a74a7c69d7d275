"""Documents and price lists have a `state`; `http_status` is that of HTTP.

Indexes, checks, privileges and the conditions of triggers follow their columns; the bodies
of functions do not.
"""

from django.db import migrations, models
from django.db.models import Q

FUNCTIONS = """
CREATE OR REPLACE FUNCTION allocation_fits() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    invoice billing_document;
    note billing_document;
BEGIN
    SELECT * INTO invoice FROM billing_document
        WHERE id = NEW.document_id FOR NO KEY UPDATE;
    IF invoice.kind <> 'invoice' OR invoice.{column} IN ('draft', 'void')
       OR (SELECT sum(amount) FROM billing_allocation WHERE document_id = invoice.id)
          NOT BETWEEN 0 AND invoice.total
       OR EXISTS (SELECT FROM billing_allocation
                  WHERE document_id = invoice.id AND payment_id = NEW.payment_id
                  HAVING sum(amount) < 0)
       OR EXISTS (SELECT FROM billing_payment
                  WHERE id = NEW.payment_id AND payer_id <> invoice.payer_id) THEN
        RAISE EXCEPTION 'an allocation covers what is owed on an invoice of its payer'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'allocation_fits';
    END IF;
    IF NEW.credit_note_id IS NOT NULL THEN
        SELECT * INTO note FROM billing_document
            WHERE id = NEW.credit_note_id FOR NO KEY UPDATE;
        IF note.kind <> 'correction' OR note.{column} IN ('draft', 'void')
           OR note.payer_id <> invoice.payer_id
           OR scale(trim_scale(NEW.amount)) > currency_digits(note.currency)
           OR (SELECT sum(amount) FROM billing_allocation
               WHERE credit_note_id = note.id) > -note.total THEN
            RAISE EXCEPTION 'a credit note gives what it has, to its payer'
                USING ERRCODE = 'check_violation', CONSTRAINT = 'allocation_fits';
        END IF;
    END IF;
    RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION attempt_begins() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.state <> 'created'
       OR scale(trim_scale(NEW.amount)) > currency_digits(NEW.currency)
       OR NOT EXISTS (
           SELECT FROM billing_document
           WHERE id = NEW.invoice_id AND kind = 'invoice' AND currency = NEW.currency
             AND {column} IN ('open', 'uncollectible') AND NEW.amount <= total) THEN
        RAISE EXCEPTION 'an attempt begins with what is owed on an open invoice'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'attempt_begins';
    END IF;
    RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION dunning_moves() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.state = 'closed'
       OR (NEW.state <> OLD.state AND (OLD.state, NEW.state) NOT IN (VALUES
            ('retrying', 'waiting'), ('retrying', 'overdue'), ('retrying', 'closed'),
            ('waiting', 'retrying'), ('waiting', 'overdue'), ('waiting', 'closed'),
            ('overdue', 'retrying'), ('overdue', 'waiting'), ('overdue', 'suspended'),
            ('overdue', 'closed'),
            ('suspended', 'retrying'), ('suspended', 'waiting'),
            ('suspended', 'overdue'), ('suspended', 'closed'))) THEN
        RAISE EXCEPTION 'a case does not go from % to %', OLD.state, NEW.state
            USING ERRCODE = 'check_violation', CONSTRAINT = 'dunning_moves';
    END IF;
    IF NEW.state = 'suspended' AND OLD.state <> 'suspended' AND NOT EXISTS (
        SELECT FROM billing_document
        WHERE payer_id = NEW.payer_id AND kind = 'invoice' AND {column} = 'open'
          AND due_at <= NEW.since) THEN
        RAISE EXCEPTION 'nothing is overdue'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'dunning_moves';
    END IF;
    RETURN NEW;
END $$;

CREATE OR REPLACE FUNCTION issued_documents_are_fixed() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.{column} = 'draft' THEN
        RETURN CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END;
    END IF;
    IF TG_OP = 'UPDATE'
       AND to_jsonb(NEW) - '{column}' = to_jsonb(OLD) - '{column}'
       AND (OLD.{column}, NEW.{column}) IN (
           ('open', 'open'), ('open', 'paid'), ('open', 'void'),
           ('open', 'uncollectible'), ('uncollectible', 'paid'),
           ('uncollectible', 'void'), ('paid', 'open'), ('paid', 'void')) THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'an issued document never changes (% to %)',
        OLD.{column}, CASE TG_OP WHEN 'UPDATE' THEN NEW.{column} ELSE 'deleted' END
        USING ERRCODE = 'restrict_violation',
              CONSTRAINT = 'issued_documents_are_fixed';
END $$;

CREATE OR REPLACE FUNCTION lines_belong_to_drafts() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (
        SELECT FROM (SELECT DISTINCT document_id FROM touched) AS line
        JOIN billing_document AS document ON document.id = line.document_id
        WHERE document.{column} <> 'draft'
    ) THEN
        RAISE EXCEPTION 'the lines of an issued document never change'
            USING ERRCODE = 'restrict_violation',
                  CONSTRAINT = 'lines_belong_to_drafts';
    END IF;
    RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION published_prices_are_fixed() RETURNS trigger
LANGUAGE plpgsql AS $$
DECLARE
    list_id bigint;
BEGIN
    IF TG_TABLE_NAME = 'billing_pricelist' THEN
        IF OLD.{column} = 'draft' THEN
            RETURN CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END;
        END IF;
    ELSE
        -- Both the old and the new parent must be drafts.
        FOR list_id IN
            SELECT CASE TG_TABLE_NAME
                WHEN 'billing_rate' THEN (touched.row->>'price_list_id')::bigint
                ELSE (SELECT price_list_id FROM billing_rate
                      WHERE id = (touched.row->>'rate_id')::bigint) END
            FROM (VALUES (CASE WHEN TG_OP <> 'INSERT' THEN to_jsonb(OLD) END),
                         (CASE WHEN TG_OP <> 'DELETE' THEN to_jsonb(NEW) END)
                 ) AS touched(row)
            WHERE touched.row IS NOT NULL
        LOOP
            -- The lock makes a concurrent publication wait, or be seen.
            PERFORM FROM billing_pricelist
                WHERE id = list_id AND {column} = 'draft' FOR SHARE;
            IF list_id IS NOT NULL AND NOT FOUND THEN
                RAISE EXCEPTION 'a published price list never changes'
                    USING ERRCODE = 'restrict_violation',
                          CONSTRAINT = 'published_prices_are_fixed';
            END IF;
        END LOOP;
        RETURN CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END;
    END IF;
    RAISE EXCEPTION 'a published price list never changes'
        USING ERRCODE = 'restrict_violation',
              CONSTRAINT = 'published_prices_are_fixed';
END $$;

CREATE OR REPLACE FUNCTION document_state_matches_allocations() RETURNS trigger
LANGUAGE plpgsql AS $$
DECLARE
    covered numeric;
BEGIN
    SELECT coalesce(sum(amount), 0) INTO covered FROM billing_allocation
        WHERE document_id = NEW.id OR credit_note_id = NEW.id;
    IF (CASE NEW.{column}
            WHEN 'paid' THEN covered <> abs(NEW.total)
            WHEN 'open' THEN covered = abs(NEW.total)
            WHEN 'void' THEN covered <> 0
            ELSE false END) THEN
        RAISE EXCEPTION '% of % are covered, so the document is not %',
            covered, NEW.total, NEW.{column}
            USING ERRCODE = 'check_violation',
                  CONSTRAINT = 'document_state_matches_allocations';
    END IF;
    RETURN NULL;
END $$;
"""
MATCHES_ALLOCATIONS = """
ALTER FUNCTION {before}() RENAME TO {after};
ALTER TRIGGER {before} ON billing_document RENAME TO {after};
"""
OLD, NEW = "status_says_what_is_covered", "document_state_matches_allocations"
ISSUED = {"number__isnull": False, "issued_at__isnull": False, "due_at__isnull": False}
CONSTRAINTS = [
    ("document", models.UniqueConstraint(
        fields=["payer"], condition=Q(state="draft"), name="one_draft_per_payer",
    )),
    ("document", models.CheckConstraint(
        condition=Q(state="draft", number__isnull=True, issued_at__isnull=True,
                    due_at__isnull=True, hash="")
        | (~Q(state="draft") & Q(**ISSUED) & ~Q(hash="")),
        name="an_issued_document_has_number_and_hash",
    )),
    ("pricelist", models.UniqueConstraint(
        fields=["currency", "starts_on"], condition=Q(state="published"),
        name="one_published_list_per_currency_and_month",
    )),
    ("pricelist", models.CheckConstraint(
        condition=Q(state="draft", published_at__isnull=True, content_hash="")
        | (Q(state="published", published_at__isnull=False) & ~Q(content_hash="")),
        name="a_published_list_has_its_hash",
    )),
]  # fmt: skip
BY_DUE_DATE = models.Index(
    fields=["due_at"],
    condition=Q(kind="invoice", state="open"),
    name="open_invoice_by_due_date",
)


def functions(column: str) -> str:
    """The functions that read the column, by the name it has."""
    return FUNCTIONS.replace("{column}", column)


class Migration(migrations.Migration):
    dependencies = [
        ("billing", "0031_next_attempt_at"),
    ]

    operations = [
        migrations.RunSQL(  # backwards these run last, when the columns are renamed
            MATCHES_ALLOCATIONS.format(before=OLD, after=NEW),
            MATCHES_ALLOCATIONS.format(before=NEW, after=OLD),
        ),
        migrations.RunSQL(migrations.RunSQL.noop, functions("status")),
        migrations.RenameField("document", "status", "state"),
        migrations.RenameField("pricelist", "status", "state"),
        migrations.RenameField("deliveryattempt", "status", "http_status"),
        migrations.SeparateDatabaseAndState(
            state_operations=[
                *(
                    operation
                    for model, constraint in CONSTRAINTS
                    for operation in (
                        migrations.RemoveConstraint(model, constraint.name),
                        migrations.AddConstraint(model, constraint),
                    )
                ),
                migrations.RemoveIndex("document", BY_DUE_DATE.name),
                migrations.AddIndex("document", BY_DUE_DATE),
            ]
        ),
        migrations.RunSQL(functions("state"), migrations.RunSQL.noop),
    ]
