from django.apps import AppConfig
from django.db.models.signals import post_migrate

from billing.jobs import keep_jobs


class BillingConfig(AppConfig):
    name = "billing"
    verbose_name = "Billing"

    def ready(self) -> None:
        post_migrate.connect(keep_jobs, sender=self)
        # Connecting a receiver is importing it.
        from billing.accounts import receivers as accounts  # noqa: F401
        from billing.collection import receivers as collection  # noqa: F401
        from billing.dunning import receivers as dunning  # noqa: F401
        from billing.mail import receivers as mail  # noqa: F401
        from billing.metering import receivers as metering  # noqa: F401
        from billing.pricing import receivers as pricing  # noqa: F401
        from billing.webhooks import receivers as webhooks  # noqa: F401
