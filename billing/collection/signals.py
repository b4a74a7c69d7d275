"""What collection tells dunning, inside the transaction, with the payers locked.

`attempt_ended` (`attempt`, `now`): it succeeded, was declined or failed; not sent for a
charge that was given up before it was sent, as nothing is owed any more.
`attempt_unresolved` (`attempt`, `now`): its unknown outcome was reported to staff.
`method_saved` (`method`, `now`): a payer has a new payment method.
"""

from django.dispatch import Signal

attempt_ended = Signal()
attempt_unresolved = Signal()
method_saved = Signal()
