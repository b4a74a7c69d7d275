"""Collects the pages that the rooms offer to the two sites.

A room offers pages to staff in `admin/staff.py`, and to members of agencies in
`admin/agency.py`. Importing a module registers its pages; no list names them.
"""

from importlib import import_module
from pkgutil import iter_modules

import billing
import seats
from config.admin.agency import agency_site
from core.admin.scoped import PAGES

HOUSES = [seats, billing]
OFFERS = ["staff", "agency"]


def collect_pages() -> None:
    """Import the offers of every room, and register them. Repeating is harmless."""
    for house in HOUSES:
        for room in iter_modules(house.__path__, f"{house.__name__}."):
            if room.ispkg:
                _import_offers(room.name)
    for model, page in PAGES.items():
        if not agency_site.is_registered(model):
            agency_site.register(model, page)


def _import_offers(room: str) -> None:
    kinds = {module.name for module in iter_modules(import_module(room).__path__)}
    if "admin" not in kinds:
        return
    pages = import_module(f"{room}.admin")
    offers = {module.name for module in iter_modules(pages.__path__)}
    for offer in OFFERS:
        if offer in offers:
            import_module(f"{room}.admin.{offer}")
