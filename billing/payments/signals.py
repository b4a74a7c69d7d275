"""What payments say while they work; a refusal of who listens undoes it.

`attempt_ended` (`attempt`, `now`): it succeeded, was declined or failed.
`attempt_unresolved` (`attempt`, `now`): its unknown outcome was reported to staff.
`method_saved` (`method`, `now`): a payer has a new one.
`invoices_moved` (`documents`: their ids, `payers`: their ids, `now`): invoices became
paid, or open again. All are sent inside the transaction, with the payers locked; but not
where a charge was given up before it was sent, as nothing is owed any more.
"""

from django.dispatch import Signal

attempt_ended = Signal()
attempt_unresolved = Signal()
method_saved = Signal()
invoices_moved = Signal()
