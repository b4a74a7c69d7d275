from django.apps import AppConfig


class BillingConfig(AppConfig):
    name = "billing"
    verbose_name = "Billing"

    def ready(self) -> None:
        # Connecting a receiver is importing it.
        from billing.accounts import receivers as accounts  # noqa: F401
        from billing.dunning import receivers as dunning  # noqa: F401
        from billing.metering import receivers as metering  # noqa: F401
        from billing.payments import receivers as payments  # noqa: F401
        from billing.webhooks import receivers as webhooks  # noqa: F401
