from __future__ import annotations

import re
import threading

from hypothesis import given
from hypothesis import strategies as st

from python_bot.metrics import BUCKETS_S, Metrics

SAMPLE = re.compile(
    r'([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{((?:[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\["\\n])*",?)*)\})? (-?[0-9.e+-]+)'
)
LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"')


def parsed(text: str) -> dict[str, list[tuple[str, dict[str, str], float]]]:
    """The text format by its rules: family -> samples; every sample stands under the TYPE line of its family."""
    assert text.endswith("\n")
    families: dict[str, list[tuple[str, dict[str, str], float]]] = {}
    family = kind = ""
    for line in text[:-1].split("\n"):
        if line.startswith("# TYPE "):
            _, _, family, kind = line.split(" ")
            assert kind in ("counter", "gauge", "histogram") and family not in families
            families[family] = []
            continue
        found = SAMPLE.fullmatch(line)
        assert found, line
        name, labels, value = found[1], dict(LABEL.findall(found[2] or "")), float(found[3])
        suffixes = ("_bucket", "_sum", "_count") if kind == "histogram" else ("",)
        assert name in [family + suffix for suffix in suffixes]
        families[family].append((name, labels, value))
    return families


def test_counters_gauges_and_histograms_stand_under_their_names() -> None:
    metrics = Metrics()
    metrics.count("events_total", event="ONX", outcome="read")
    metrics.count("events_total", 2, event="ONX", outcome="read")
    metrics.count("events_total", event="ONY", outcome="read")
    metrics.count("plain_total")
    metrics.observe("handover_seconds", 0.3)
    metrics.observe("handover_seconds", 99.0)
    found = parsed(metrics.text({"outbox": {(("kind", "handover"),): 3.0, (): 1.5}, "up": 1.0}))
    assert found["b24bot_events_total"] == [
        ("b24bot_events_total", {"event": "ONX", "outcome": "read"}, 3.0),
        ("b24bot_events_total", {"event": "ONY", "outcome": "read"}, 1.0),
    ]
    assert found["b24bot_up"] == [("b24bot_up", {}, 1.0)]
    assert found["b24bot_outbox"] == [
        ("b24bot_outbox", {"kind": "handover"}, 3.0),
        ("b24bot_outbox", {}, 1.5),
    ]
    assert metrics.value("events_total", outcome="read", event="ONX") == 3.0
    assert metrics.value("nothing") == 0.0


@given(st.lists(st.floats(0.0, 100.0), min_size=1, max_size=30))
def test_the_buckets_of_a_histogram_grow_to_its_count(seconds: list[float]) -> None:
    metrics = Metrics()
    for value in seconds:
        metrics.observe("x", value)
    rows = parsed(metrics.text({}))["b24bot_x"]
    buckets = {labels["le"]: value for name, labels, value in rows if name.endswith("_bucket")}
    assert list(buckets) == [*map(str, BUCKETS_S), "+Inf"]
    for bound, count in buckets.items():
        assert count == sum(value <= float(bound) for value in seconds)
    totals = {name: value for name, _, value in rows if not name.endswith("_bucket")}
    assert totals["b24bot_x_count"] == len(seconds)
    assert abs(totals["b24bot_x_sum"] - sum(seconds)) < 1e-4


@given(st.text(alphabet=st.sampled_from('a"\\\n,={}\t é'), max_size=12))
def test_any_value_of_a_label_can_be_read_back(value: str) -> None:
    metrics = Metrics()
    metrics.count("x_total", event=value)
    ((_, labels, _),) = parsed(metrics.text({}))["b24bot_x_total"]
    unescaped = re.sub(r"\\(.)", lambda m: {"n": "\n"}.get(m[1], m[1]), labels["event"])
    assert unescaped == value


def test_nothing_counted_is_still_a_text() -> None:
    assert Metrics().text({}).strip() == ""


def test_threads_lose_no_count() -> None:
    metrics = Metrics()
    threads = [threading.Thread(target=lambda: [metrics.count("x_total") for _ in range(500)]) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert metrics.value("x_total") == 4000
