"""The project as a Django app, and the admin with the sites of the project."""

from django.apps import AppConfig
from django.contrib.admin.apps import SimpleAdminConfig


class ConfigConfig(AppConfig):
    default = True
    name = "config"
    verbose_name = "Configuration"

    def ready(self) -> None:
        # Importing the checks registers them; commands load no URLs.
        from config import checks  # noqa: F401
        from config.accounts import receivers  # noqa: F401
        from config.admin import checks as admin_checks  # noqa: F401


class StaffAdminConfig(SimpleAdminConfig):
    """Django's admin; its default site is the one of platform staff.

    The pages of both sites are offered by the rooms: see `config.admin.rooms`.
    """

    default_site = "config.admin.staff.StaffSite"

    def ready(self) -> None:
        super().ready()
        from config.admin.rooms import collect_pages

        collect_pages()
