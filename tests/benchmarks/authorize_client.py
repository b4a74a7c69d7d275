"""One dialer of the benchmark, in a process of its own: PORT TOKEN COUNT RATE."""

import random
import sys
import time
from http.client import HTTPConnection

import msgspec

AGENTS = 20


def ask(port: int, token: str, *, count: int, rate: float) -> tuple[float, list[float]]:
    """Ask so often, each at its time; how long from then to the answer, in ms."""
    client = HTTPConnection("127.0.0.1", port, timeout=60)
    headers = {"Authorization": f"Bearer {token}"}
    begun = time.perf_counter()
    times = []
    for n in range(count):
        due = begun + n / rate if rate else time.perf_counter()
        time.sleep(max(due - time.perf_counter(), 0))
        agent = f"agent{random.randrange(AGENTS) + 1}"
        client.request("GET", f"/api/v1/authorize?agent={agent}", headers=headers)
        answer = client.getresponse()
        body = answer.read()
        assert b'"allowed":true' in body, body
        times.append((time.perf_counter() - due) * 1000)
    client.close()
    return time.perf_counter() - begun, times


if __name__ == "__main__":
    told = ask(
        int(sys.argv[1]), sys.argv[2], count=int(sys.argv[3]), rate=float(sys.argv[4])
    )
    sys.stdout.buffer.write(msgspec.json.encode(told))
