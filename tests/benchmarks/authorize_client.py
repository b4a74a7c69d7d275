"""One dialer of the benchmark, in a process of its own: PORT TOKEN COUNT RATE.

It shares the machine with what it measures, so it says no more than a socket must.
"""

import random
import sys
import time
from socket import create_connection

import msgspec

AGENTS = 20
MOST = 4096
REQUEST = (
    "GET /api/v1/authorize?agent=agent{agent} HTTP/1.1\r\n"
    "Host: 127.0.0.1\r\nAccept: */*\r\nAuthorization: Bearer {token}\r\n\r\n"
)
ALLOWED = b'{"allowed":true,'


def ask(port: int, token: str, *, count: int, rate: float) -> tuple[float, list[float]]:
    """Send requests on schedule; the time from each schedule to its response, in ms."""
    requests = [
        REQUEST.format(agent=n + 1, token=token).encode() for n in range(AGENTS)
    ]
    times = []
    with create_connection(("127.0.0.1", port), 60) as line:
        begun = time.perf_counter()
        for n in range(count):
            due = begun + n / rate if rate else time.perf_counter()
            time.sleep(max(due - time.perf_counter(), 0))
            line.sendall(random.choice(requests))
            answer = b""
            while ALLOWED not in answer or not answer.endswith(b"}"):
                more = line.recv(MOST)
                assert more, answer
                answer += more
            times.append((time.perf_counter() - due) * 1000)
        return time.perf_counter() - begun, times


if __name__ == "__main__":
    times = ask(
        int(sys.argv[1]), sys.argv[2], count=int(sys.argv[3]), rate=float(sys.argv[4])
    )
    sys.stdout.buffer.write(msgspec.json.encode(times))
