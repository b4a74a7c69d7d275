from django.apps import AppConfig
from django.db.models.signals import post_migrate

from billing.jobs import keep_jobs
from core.rooms import import_from_rooms


class BillingConfig(AppConfig):
    name = "billing"
    verbose_name = "Billing"

    def ready(self) -> None:
        post_migrate.connect(keep_jobs, sender=self)
        for kind in ("domain/webhook_events", "domain/scopes", "receivers"):
            import_from_rooms(self.name, kind)  # what they declare is thereby collected
