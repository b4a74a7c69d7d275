"""Run web server, workers and beat on one machine; stop all when one of them exits."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from urllib.request import urlopen

# Queues, processes and name of each worker. Tasks that wait for others have a worker of
# their own, so receivers, processors and mail servers that hang do not delay billing.
WORKERS = [
    ("money", 2, "billing"),
    ("documents", 2, "documents"),
    ("charges", 2, "charges"),
    ("imports", 2, "imports"),
    ("mail", 1, "mail"),
    ("webhooks", 2, "webhooks"),
    ("fanout", 1, "fanout"),
]
PORT = os.environ.get("PORT", "8000")
URL = f"http://127.0.0.1:{PORT}"
CELERY = ["celery", "--quiet", "-A", "config"]
QUIET = ["--loglevel", "WARNING"]
COMMANDS = [
    ["gunicorn", "config.wsgi", "-b", f"127.0.0.1:{PORT}", "--workers", "2",
     "--log-level", "warning"],
    *([*CELERY, "worker", "-Q", queues, "-c", str(processes), "-n", f"{name}@%h", *QUIET]
      for queues, processes, name in WORKERS),
    [*CELERY, "beat", "-s", ".local/beat-schedule", *QUIET],
]  # fmt: skip
# The demo's payment processor, on loopback; the demo leaves the file.
DEMO_PROCESSOR = Path(__file__).resolve().parents[1] / ".local" / "demo" / "processor"
if DEMO_PROCESSOR.exists():
    COMMANDS.append(["manage", "demo_processor"])
HELLO = f"""Serving until Ctrl-C:
  log in     {URL}/
  API docs   {URL}/api/docs/
  API        {URL}/api/v1/
"""
START_SECONDS = 60
STOP_SECONDS = 10


def main() -> None:
    environment = dict(os.environ)
    if DEMO_PROCESSOR.exists():
        environment.setdefault("WEBHOOKS_ALLOW_LOOPBACK", "1")
    processes = [
        subprocess.Popen([sys.executable, "-m", *command], env=environment)
        for command in COMMANDS
    ]
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        if _is_up(processes[0]):
            sys.stdout.write(HELLO)
            sys.stdout.flush()
        while all(process.poll() is None for process in processes):
            time.sleep(0.5)
        sys.stderr.write(_exit_message(processes))
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


def _exit_message(processes: "list[subprocess.Popen[bytes]]") -> str:
    """Which process exited by itself, and how; all others are stopped with it."""
    for command, process in zip(COMMANDS, processes, strict=True):
        if process.returncode is not None:
            how = (
                f"was killed by signal {-process.returncode}"
                if process.returncode < 0
                else f"exited with code {process.returncode}"
            )
            return f"`{' '.join(command)}` {how}; stopping everything else.\n"
    return ""


def _is_up(web: "subprocess.Popen[bytes]") -> bool:
    """Wait until the web server responds (True), or has exited or timed out (False)."""
    deadline = time.monotonic() + START_SECONDS
    while web.poll() is None and time.monotonic() < deadline:
        try:
            urlopen(f"{URL}/api/docs/", timeout=START_SECONDS).close()
        except OSError:
            time.sleep(0.2)
        else:
            return True
    return False


if __name__ == "__main__":
    main()
