"""Celery settings, tested against crashes and lost messages; see docs/decisions/."""

import os
from typing import Any

from django.conf import settings

from config.environment import number

VISIBILITY_SECONDS = number("BROKER_VISIBILITY_SECONDS", 900)

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
QUEUES = ["money", "documents", "charges", "imports", "mail", "webhooks", "fanout"]
# Tasks that wait for others have queues and processes of their own: receivers of webhooks,
# processors, mail servers and large files. Fanning out events waits for nobody.
task_routes = {
    "webhooks.fan_out_due": {"queue": "fanout"},
    "webhooks.end_due": {"queue": "fanout"},
    "webhooks.*": {"queue": "webhooks"},
    "payments.*": {"queue": "charges"},
    "metering.*": {"queue": "imports"},
    "mail.*": {"queue": "mail"},
    "documents.*": {"queue": "documents"},
    "verification.*": {"queue": "documents"},
    **{f"pulse.{queue}": {"queue": queue} for queue in QUEUES},
}
worker_prefetch_multiplier = 1
worker_cancel_long_running_tasks_on_connection_loss = True
worker_soft_shutdown_timeout = 30
worker_hijack_root_logger = False
timezone = "UTC"
# How often each sweep is started, in seconds: at least once a minute, so a lost message
# costs a minute. Daily jobs have a row that says when they are due.
SECONDS_BETWEEN_RUNS = {
    "invoicing.start_due": 60.0,
    "invoicing.close_due": 5.0,
    "invoicing.issue_due": 60.0,
    "payments.charge_due": 10.0,
    "payments.refund_due": 10.0,
    "payments.end_pages_due": 60.0,
    "payments.process_events_due": 5.0,
    "payments.report_due": 60.0,
    "payments.catch_up_due": 60.0,
    "payments.reconcile_due": 60.0,
    "verification.verify_due": 60.0,
    "dunning.step_due": 60.0,
    "budgets.check_due": 60.0,
    "documents.render_due": 5.0,
    "mail.send_due": 10.0,
    "webhooks.fan_out_due": 5.0,
    "webhooks.deliver_due": 5.0,
    "webhooks.end_due": 60.0,
    "webhooks.forget_due": 60.0,
    "metering.imports_due": 5.0,
    "metering.rejected_rows_due": 60.0,
    "metering.archive_due": 60.0,
    "metering.partitions_due": 60.0,
    "metering.waiting_legs_due": 60.0,
    "metering.old_legs_due": 60.0,
    **{f"pulse.{queue}": 20.0 for queue in QUEUES},
}
# Tests run the same table faster.
SPEED = float(os.environ.get("SCHEDULE_SPEED", "1"))
beat_schedule: dict[str, dict[str, Any]] = {
    task: {
        "task": task,
        "schedule": seconds / SPEED,
        # Old messages only pile up. But expiring with their interval would starve the
        # frequent sweeps while workers are busy for longer than that.
        "options": {"expires": max(seconds, 60.0) / SPEED},
    }
    for task, seconds in SECONDS_BETWEEN_RUNS.items()
}
