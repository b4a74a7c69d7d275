"""Signals that pricing sends before a price list is published."""

from django.dispatch import Signal

# Arguments: currency: str, candidates: Collection[str] (meter codes). Receivers return
# the candidates of which agencies with this currency have usage.
meters_in_use = Signal()
