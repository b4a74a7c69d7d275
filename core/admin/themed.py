"""The theme's classes with the types of Django's, which they derive from.

The theme has no types of its own.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from django.contrib.admin import AdminSite, ModelAdmin, TabularInline
    from django.contrib.auth.forms import AdminPasswordChangeForm, UserChangeForm
else:
    from unfold.admin import ModelAdmin, TabularInline
    from unfold.forms import AdminPasswordChangeForm, UserChangeForm
    from unfold.sites import UnfoldAdminSite as AdminSite

__all__ = [
    "AdminPasswordChangeForm",
    "AdminSite",
    "ModelAdmin",
    "TabularInline",
    "UserChangeForm",
]
