"""What the archiving of a month reports while it goes on.

`archive_step` is sent with `step` and the `path` of the file: written (it has its
name), checked (read back, sums equal), recorded (its row is written), detached (the
partition left; nothing is committed yet), archived (committed).
"""

from django.dispatch import Signal

archive_step = Signal()
