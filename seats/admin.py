"""Collects the admin pages of the rooms, here because Django looks for them here."""

from django.contrib import admin

from core.rooms import import_from_rooms

import_from_rooms("seats", "admin")

# Lists need the width; every page links to the others at its top.
admin.site.enable_nav_sidebar = False
