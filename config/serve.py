"""Web, workers and beat together, for one machine: ends all when one ends."""

import os
import signal
import subprocess
import sys
import time

COMMANDS = [
    ["gunicorn", "config.wsgi", "-b", f"127.0.0.1:{os.environ.get('PORT', '8000')}",
     "--workers", "2", "--access-logfile", "-"],
    ["celery", "-A", "config", "worker", "-c", "2", "-Q", "money,documents",
     "--loglevel", "INFO"],
    # Receivers that hang hold up nobody's bill.
    ["celery", "-A", "config", "worker", "-c", "1", "-Q", "webhooks",
     "-n", "webhooks@%h", "--loglevel", "INFO"],
    ["celery", "-A", "config", "beat", "--loglevel", "INFO",
     "-s", ".local/beat-schedule"],
]  # fmt: skip
STOP_SECONDS = 10


def main() -> None:
    processes = [
        subprocess.Popen([sys.executable, "-m", *command]) for command in COMMANDS
    ]
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        while all(process.poll() is None for process in processes):
            time.sleep(0.5)
    except KeyboardInterrupt:
        pass
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()


if __name__ == "__main__":
    main()
