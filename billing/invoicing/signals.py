"""What the closing of a month reports while it goes on.

`step_reached` is sent after each commit, and before the last one of a closing, with
`step` naming the point: planned, claimed, written, closed, parked, issued, finished.
"""

from django.dispatch import Signal

step_reached = Signal()
