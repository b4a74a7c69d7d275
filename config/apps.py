"""The project as a Django app; registers system checks in every process."""

from django.apps import AppConfig


class ConfigConfig(AppConfig):
    name = "config"
    verbose_name = "Configuration"

    def ready(self) -> None:
        # Importing the checks registers them; commands load no URLs.
        from config import checks  # noqa: F401
        from config.accounts import receivers  # noqa: F401
