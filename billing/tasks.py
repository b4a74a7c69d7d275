"""Table of contents of the tasks, for Celery."""

from billing.budgets.tasks import check_all_budgets
from billing.collection.tasks import (
    backfill_processor_events,
    charge_invoices,
    end_checkout_pages,
    process_processor_events,
    reconcile_missed_days,
    report_unresolved_attempts,
    send_due_refunds,
    verify_books,
)
from billing.dunning.tasks import step_all_cases
from billing.invoicing.tasks import close_due_items, issue_due_drafts, start_due_months
from billing.mail.tasks import send_due_mails
from billing.metering.tasks import (
    archive_old_months,
    clean_legs,
    clean_rejected_rows,
    create_partitions,
    decide_waiting,
    resume_uploads,
)
from billing.recurring.tasks import (
    pulse_charges,
    pulse_documents,
    pulse_fanout,
    pulse_imports,
    pulse_mail,
    pulse_money,
    pulse_webhooks,
)
from billing.rendering.tasks import render_due_files
from billing.webhooks.tasks import (
    end_lapsed_endpoints,
    forget_attempts,
    hand_out_events,
    send_deliveries,
)

__all__ = [
    "archive_old_months",
    "backfill_processor_events",
    "charge_invoices",
    "check_all_budgets",
    "clean_legs",
    "clean_rejected_rows",
    "close_due_items",
    "create_partitions",
    "decide_waiting",
    "end_checkout_pages",
    "end_lapsed_endpoints",
    "forget_attempts",
    "hand_out_events",
    "issue_due_drafts",
    "process_processor_events",
    "pulse_charges",
    "pulse_documents",
    "pulse_fanout",
    "pulse_imports",
    "pulse_mail",
    "pulse_money",
    "pulse_webhooks",
    "reconcile_missed_days",
    "render_due_files",
    "report_unresolved_attempts",
    "resume_uploads",
    "send_deliveries",
    "send_due_mails",
    "send_due_refunds",
    "start_due_months",
    "step_all_cases",
    "verify_books",
]
