"""Web, workers and beat together, for one machine: ends all when one ends."""

import os
import signal
import subprocess
import sys
import time

# Queues, processes and a name for each worker. What waits for others has a worker of its
# own, so that receivers, processors and mail servers that hang hold up nobody's bill.
WORKERS = [
    ("money,documents", 2, "billing"),
    ("charges", 2, "charges"),
    ("imports", 2, "imports"),
    ("mail", 1, "mail"),
    ("webhooks", 2, "webhooks"),
    ("fanout", 1, "fanout"),
]
COMMANDS = [
    ["gunicorn", "config.wsgi", "-b", f"127.0.0.1:{os.environ.get('PORT', '8000')}",
     "--workers", "2", "--access-logfile", "-"],
    *(["celery", "-A", "config", "worker", "-Q", queues, "-c", str(processes),
       "-n", f"{name}@%h", "--loglevel", "INFO"]
      for queues, processes, name in WORKERS),
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
