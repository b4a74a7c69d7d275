"""How seats speaks upwards: sent inside the transaction; a receiver may refuse.

Every signal carries `now`. A receiver that raises a Refusal undoes the change.
"""

from django.dispatch import Signal

# agency: Agency, now: datetime
agency_added = Signal()
# agency: Agency, zone: str, starts_on: date, now
zone_changed = Signal()
# agency: Agency, upline: Agency | None, on: date, now
upline_changed = Signal()
# losses: list[seats.roster.changes.Loss], before any is written. A receiver answers
# with seats.roster.changes.Use by seat id; seats that were not used are left out.
seats_leaving = Signal()
# changes: list[seats.roster.changes.Change] just written, in order; now
seats_changed = Signal()
# Before staff confirm a change of seats. days: dict[(Agency, month), (before, after)],
# in seat days. A receiver gives a list of sentences for the page; no `now`.
seat_days_previewed = Signal()
