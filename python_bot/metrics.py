"""Counters and latencies of one process, and their text form for Prometheus.

https://prometheus.io/docs/instrumenting/exposition_formats/ . Written here because the client library costs each
idle instance more memory than these lines.
"""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections.abc import Iterable, Mapping
from typing import Final

BUCKETS_S: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)

Labels = tuple[tuple[str, str], ...]


class Metrics:
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counters: dict[tuple[str, Labels], float] = {}
        self._histograms: dict[str, list[float]] = {}

    def count(self, name: str, amount: float = 1.0, **labels: str) -> None:
        key = (name, tuple(sorted(labels.items())))
        with self._lock:
            self._counters[key] = self._counters.get(key, 0.0) + amount

    def observe(self, name: str, seconds: float) -> None:
        with self._lock:
            row = self._histograms.setdefault(name, [0.0] * (len(BUCKETS_S) + 2))
            row[bisect_left(BUCKETS_S, seconds)] += 1
            row[-1] += seconds

    def value(self, name: str, **labels: str) -> float:
        with self._lock:
            return self._counters.get((name, tuple(sorted(labels.items()))), 0.0)

    def text(self, gauges: Mapping[str, float | Mapping[Labels, float]]) -> str:
        """Everything counted here, and gauges measured by the caller."""
        with self._lock:
            counters = sorted(self._counters.items())
            histograms = {name: list(row) for name, row in self._histograms.items()}
        lines: list[str] = []
        for name in sorted({name for (name, _), _ in counters}):
            lines.append(f"# TYPE b24bot_{name} counter")
            lines += [f"b24bot_{name}{_labels(labels)} {_n(v)}" for (n, labels), v in counters if n == name]
        for name, row in sorted(histograms.items()):
            lines += _histogram(name, row)
        for name, value in sorted(gauges.items()):
            lines.append(f"# TYPE b24bot_{name} gauge")
            rows = value.items() if isinstance(value, Mapping) else [((), value)]
            lines += [f"b24bot_{name}{_labels(labels)} {_n(v)}" for labels, v in rows]
        return "\n".join(lines) + "\n"


def _histogram(name: str, row: list[float]) -> Iterable[str]:
    yield f"# TYPE b24bot_{name} histogram"
    total = 0.0
    for bound, count in zip((*map(str, BUCKETS_S), "+Inf"), row[:-1], strict=True):
        total += count
        yield f'b24bot_{name}_bucket{{le="{bound}"}} {_n(total)}'
    yield f"b24bot_{name}_sum {row[-1]:.6f}"
    yield f"b24bot_{name}_count {_n(total)}"


def _labels(labels: Labels) -> str:
    if not labels:
        return ""
    escaped = ((k, v.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")) for k, v in labels)
    return "{" + ",".join(f'{k}="{v}"' for k, v in escaped) + "}"


def _n(value: float) -> str:
    return str(int(value)) if value == int(value) else f"{value:.6f}"
