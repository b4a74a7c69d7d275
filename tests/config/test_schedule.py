"""The schedule and the tasks are one table: nothing is rung that nobody answers."""

import billing.tasks
from config import celeryconfig
from config.celery import app
from config.serve import COMMANDS

SCHEDULE = celeryconfig.beat_schedule


def test_every_task_is_rung_and_every_ring_is_answered():
    tasks = {getattr(billing.tasks, name).name for name in billing.tasks.__all__}

    assert {entry["task"] for entry in SCHEDULE.values()} == tasks
    assert all(name == entry["task"] for name, entry in SCHEDULE.items())


def test_nothing_is_rung_more_rarely_than_once_a_minute():
    assert max(entry["schedule"] for entry in SCHEDULE.values()) <= 60


def test_a_ring_outlives_a_busy_minute_and_no_more():
    """One that ended sooner would starve frequent sweeps while workers are busy."""
    assert {entry["options"]["expires"] for entry in SCHEDULE.values()} == {60}


def test_every_queue_has_a_worker():
    served = {
        queue
        for command in COMMANDS
        if "-Q" in command
        for queue in command[command.index("-Q") + 1].split(",")
    }
    routed = {route["queue"] for route in celeryconfig.task_routes.values()}

    assert routed | {app.conf.task_default_queue} == served
