"""Runs inside a machine: `load.py COUNT RATE PATH TOKEN [https]` sends requests through nginx at a steady rate, each
on a connection of its own, a GET of the archive and a POST of an event in turn. Prints a line of JSON: the answers'
statuses with their counts, and the slowest answer in milliseconds."""

from __future__ import annotations

import collections
import concurrent.futures
import http.client
import json
import sys
import threading
import time

HEADERS = {"Host": "bots.example.ru", "Content-Type": "application/x-www-form-urlencoded"}


def send(number: int, at: float, prefix: str, token: str) -> tuple[str, float]:
    time.sleep(max(0.0, at - time.monotonic()))
    begun = time.monotonic()
    opened = http.client.HTTPSConnection if "https" in sys.argv else http.client.HTTPConnection
    connection = opened(HEADERS["Host"], timeout=30)
    try:
        if number % 2:
            connection.request("GET", f"{prefix}/api/dialogs", headers={**HEADERS, "Authorization": f"Bearer {token}"})
            kind = "GET"
        else:
            connection.request("POST", f"{prefix}/python_bot", body="event=ONSOMETHINGNEW", headers=HEADERS)
            kind = "POST"
        answer = connection.getresponse()
        answer.read()
        return f"{kind} {answer.status}", time.monotonic() - begun
    except (OSError, http.client.HTTPException) as error:
        return repr(error), time.monotonic() - begun
    finally:
        connection.close()


def main() -> None:
    count, rate, prefix, token = int(sys.argv[1]), float(sys.argv[2]), sys.argv[3], sys.argv[4]
    is_over = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), is_over.set()), daemon=True).start()
    begun = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(1000) as pool:
        futures = []
        while len(futures) < count or not is_over.is_set():
            due = begun + len(futures) / rate
            time.sleep(max(0.0, due - time.monotonic()))
            futures.append(pool.submit(send, len(futures), due, prefix, token))
        done = [future.result() for future in futures]
    slowest = max(seconds for _, seconds in done)
    print(json.dumps({"answers": collections.Counter(kind for kind, _ in done), "slowest_ms": round(1000 * slowest)}))


main()
