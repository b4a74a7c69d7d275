"""Celery settings that are known to hold; see docs/decisions/."""

import os

from django.conf import settings

VISIBILITY_SECONDS = int(os.environ.get("BROKER_VISIBILITY_SECONDS", "900"))

broker_url = settings.REDIS_URL
broker_transport_options = {
    "visibility_timeout": VISIBILITY_SECONDS,
    "unacked_restore_interval": 5,
    "unacked_restore_throttle": 1,
    "socket_timeout": 5,
    "socket_connect_timeout": 2,
    "retry_on_timeout": True,
    "health_check_interval": 25,
}
broker_connection_retry_on_startup = True
broker_connection_max_retries = None
task_acks_late = True
task_reject_on_worker_lost = True
task_ignore_result = True
task_serializer = "json"
accept_content = ["json"]
task_time_limit = 300
task_soft_time_limit = 240
task_default_queue = "money"
task_routes = {
    "webhooks.*": {"queue": "webhooks"},
    "documents.*": {"queue": "documents"},
    "budgets.*": {"queue": "documents"},
    "mail.*": {"queue": "documents"},
}
worker_prefetch_multiplier = 1
worker_cancel_long_running_tasks_on_connection_loss = True
worker_soft_shutdown_timeout = 30
worker_hijack_root_logger = False
timezone = "UTC"
beat_schedule = {
    "dunning.step_due": {"task": "dunning.step_due", "schedule": 60.0},
    "budgets.check_due": {"task": "budgets.check_due", "schedule": 60.0},
    "mail.send_due": {"task": "mail.send_due", "schedule": 10.0},
    "invoicing.start_due": {"task": "invoicing.start_due", "schedule": 3600.0},
    "invoicing.close_due": {"task": "invoicing.close_due", "schedule": 15.0},
    "invoicing.issue_due": {"task": "invoicing.issue_due", "schedule": 60.0},
    "payments.charge_due": {"task": "payments.charge_due", "schedule": 10.0},
    "payments.refund_due": {"task": "payments.refund_due", "schedule": 10.0},
    "payments.answers_due": {"task": "payments.answers_due", "schedule": 5.0},
    "payments.report_due": {"task": "payments.report_due", "schedule": 60.0},
    "payments.catch_up_due": {"task": "payments.catch_up_due", "schedule": 900.0},
    "payments.reconcile_due": {"task": "payments.reconcile_due", "schedule": 3600.0},
    "webhooks.fan_out_due": {"task": "webhooks.fan_out_due", "schedule": 5.0},
    "webhooks.deliver_due": {"task": "webhooks.deliver_due", "schedule": 5.0},
    "webhooks.forget_due": {"task": "webhooks.forget_due", "schedule": 86_400.0},
    "metering.imports_due": {"task": "metering.imports_due", "schedule": 5.0},
    "metering.refused_rows_due": {
        "task": "metering.refused_rows_due",
        "schedule": 86_400.0,
    },
    "metering.archive_due": {"task": "metering.archive_due", "schedule": 86_400.0},
    "metering.partitions_due": {
        "task": "metering.partitions_due",
        "schedule": 86_400.0,
    },
}
# A sweep that nobody ran in time is rung again; old rings only pile up.
for entry in beat_schedule.values():
    entry["options"] = {"expires": entry["schedule"]}
