"""Table of contents of the tasks, for Celery."""

from billing.invoicing.tasks import close_due_items, issue_due_drafts, start_due_months

__all__ = ["close_due_items", "issue_due_drafts", "start_due_months"]
