"""What receivables tell rooms above, inside the transaction, with the payers locked.

`payment_recorded` (`payment`, `now`): money that came in is in the books.
`invoice_statuses_changed` (`documents`: their ids, `payers`: their ids, `now`): invoices became
paid, or open again.
"""

from django.dispatch import Signal

payment_recorded = Signal()
invoice_statuses_changed = Signal()
