"""Signals of the invoicing room.

`step_reached` is sent after each commit, and before the last one of a closing, with
`step` naming the point: opened, cut, planned, claimed, written, closed, parked, issued,
finished.

`documents_issued` (`documents`: their ids, `payers`: their ids, `now`) and
`document_voided` (`document`, `now`) are sent inside the transaction, once for all
documents that are issued together, with the payers locked; a receiver that raises a Refusal
undoes the transaction.
"""

from django.dispatch import Signal

step_reached = Signal()
documents_issued = Signal()
document_voided = Signal()
