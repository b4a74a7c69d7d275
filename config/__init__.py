"""How the service is put together: settings, addresses, worker, servers."""

from config.celery import app as celery_app

__all__ = ["celery_app"]
