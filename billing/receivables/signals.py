"""Signals of receivables, sent inside the transaction with the payers locked.

`payment_recorded` (`payment`, `now`): a payment was recorded.
`invoice_states_changed` (`documents`: their ids, `payers`: their ids, `now`): invoices became
paid, or open again.
"""

from django.dispatch import Signal

payment_recorded = Signal()
invoice_states_changed = Signal()
