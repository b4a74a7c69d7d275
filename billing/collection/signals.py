"""Signals of collection, sent inside the transaction of the change.

`attempt_ended` (`attempt`, `now`): it succeeded, was declined or failed, or was canceled
before it was sent. The payer is locked, except for canceled attempts. Attempts that end
because their document is voided send none: dunning learns of the void.
`attempt_unresolved` (`attempt`, `now`): its unknown outcome was reported to staff.
`method_saved` (`method`, `now`): a payer has a new payment method.
"""

from django.dispatch import Signal

attempt_ended = Signal()
attempt_unresolved = Signal()
method_saved = Signal()
