"""Signals that the payments package sends; a refusal in a receiver undoes the change.

`attempt_ended` (`attempt`, `now`): it succeeded, was declined or failed.
`attempt_unresolved` (`attempt`, `now`): its unknown outcome was reported to staff.
`method_saved` (`method`, `now`): a payer has a new payment method.
`invoice_statuses_changed` (`documents`: their ids, `payers`: their ids, `now`): invoices
became paid, or open again. All are sent inside the transaction, with the payers locked;
none is sent for an attempt that was canceled before it was sent because nothing was owed.
"""

from django.dispatch import Signal

attempt_ended = Signal()
attempt_unresolved = Signal()
method_saved = Signal()
invoice_statuses_changed = Signal()
