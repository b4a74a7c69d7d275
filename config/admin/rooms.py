"""Collects the pages that the rooms offer to the two sites.

A room offers pages to members of agencies in `admin/agency.py`, and to staff in the other
modules of `admin/`, `staff.py` first. Importing them registers pages; no list names them.
"""

from importlib import import_module

from django.contrib import admin

from config.accounts.sites import use_accounts
from config.admin.agency import agency_site
from core.admin.scoped import PAGES
from core.rooms import import_from_rooms


def collect_pages() -> None:
    """Import the offers of every room, and register them. Repeating is harmless."""
    for app in ("seats", "billing"):
        import_from_rooms(app, "admin")
    import_module("config.admin.health")
    for model, page in PAGES.items():
        if not agency_site.is_registered(model):
            agency_site.register(model, page)
    for site in (admin.site, agency_site):
        use_accounts(site)
