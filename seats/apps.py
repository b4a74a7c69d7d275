from django.apps import AppConfig

from core.rooms import import_from_rooms


class SeatsConfig(AppConfig):
    name = "seats"
    verbose_name = "Agencies and seats"

    def ready(self) -> None:
        for kind in ("domain/webhook_events", "domain/scopes"):
            import_from_rooms(self.name, kind)  # what they declare is thereby collected
