"""How pricing asks upwards, before a list is published."""

from django.dispatch import Signal

# currency: str, candidates: Collection[str]. A receiver gives the codes of those
# meters of which agencies of the currency have usage.
meters_in_use = Signal()
