"""Signals of metering.

`archive_step` is sent with `step` and the `path` of the file while a month is archived:
written (the file has its name), checked (it was read back and its sums are equal),
recorded (its row is written), detached (the partition is detached; nothing is committed
yet), archived (committed).
"""

from django.dispatch import Signal

archive_step = Signal()
