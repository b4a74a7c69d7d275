"""Collects the admin pages of the rooms, here because Django looks for them here."""

from core.rooms import import_from_rooms

import_from_rooms("billing", "admin")
