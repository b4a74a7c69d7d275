"""Signals of seats for the rooms above, sent inside the transaction of the change.

A receiver that raises a Refusal rolls back the change.
"""

from django.dispatch import Signal

# agency: Agency, now: datetime
agency_added = Signal()
# removals: list[seats.roster.services.changes.RemovedDates], before any is written; no `now`.
# A receiver returns seats.roster.services.changes.Use by seat id; unused seats are left out.
seats_leaving = Signal()
# events: list[core.webhook_events.WebhookEvent] of changes just written, in order; now
events_published = Signal()
# Before staff confirm a change of seats. days: dict[(Agency, month), (before, after)],
# in seat days; no `now`. A receiver returns a list of sentences for the page.
seat_days_previewed = Signal()
# Before members confirm a change of seats, once as it is and once with the change made.
# agencies: set of ids whose seats change; payers: ids whose amounts may be shown;
# through: date, the last month. A receiver returns dict[(Agency, month), Decimal | None]:
# the total of each payer's next documents, None if it cannot be calculated.
next_invoices = Signal()
# invitation: Invitation, url: str of the page that accepts it, with its token; now
invitation_created = Signal()
# agents: collection of ids; since: date or None. A receiver returns dict[int, date]: the
# last local date on which each agent used anything, on or after `since`; none if never.
agents_used = Signal()
# Before a list of seats is shown. seats: list[Seat] with agencies; month: its first day. A
# receiver returns dict[int, Decimal]: what each costs in that month, without usage.
seats_priced = Signal()
