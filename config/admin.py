"""Tables of allauth have no admin pages: they hold secrets, and users manage their own."""

from allauth.account import admin as account  # noqa: F401
from allauth.mfa import admin as mfa  # noqa: F401
from allauth.usersessions import admin as usersessions  # noqa: F401
from django.contrib import admin

from config.accounts.sites import use_accounts

# Importing them above has registered them.
admin.site.unregister(
    [model for model in admin.site._registry if model.__module__.startswith("allauth.")]
)
use_accounts(admin.site)
