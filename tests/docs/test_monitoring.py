"""The table of metrics, the dashboard and the alerts name what an instance really tells, and all of it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from python_bot.simulator import SimulatedPortal
from tests.instance.tools import BEARER, at_work, client_message
from tests.support import until

MONITORING = Path(__file__).parents[2] / "docs/monitoring"
ROW = re.compile(r"^\| `([a-z_]+)` \| (counter|gauge|histogram) \|", re.MULTILINE)
USED = re.compile(r"b24bot_([a-z_]+?)(?:_bucket)?\b(?=[{\s\[)<>,]|$)")
# Told only after something that does not happen in this test.
RARE = {
    "events_forged_total",
    "events_refused_total",
    "requests_ignored_total",
    "installation",
    "api_refusals_total",
    "journal_dropped_total",
    "files_stored_total",
    "file_bytes_total",
    "file_failures_total",
    "webhook_deliveries_total",
    "webhook_seconds",
    "channel_heard_total",
    "channel_missed_total",
    "channel_repeated_total",
    "channel_in_total",
    "channel_in_seconds",
    "channel_out_total",
    "channel_out_seconds",
    "channel_failed_total",
    "channel_doubts_total",
    "channel_poll_failures_total",
}


def documented() -> dict[str, str]:
    return dict(ROW.findall((MONITORING / "README.md").read_text(encoding="utf-8")))


def test_what_an_instance_tells_is_in_the_table_and_what_is_in_the_table_is_told() -> None:
    with at_work() as (portal, server):
        assert isinstance(portal, SimulatedPortal)
        portal.client("Анна").writes("Добрый день!")
        until(lambda: server.metric("b24bot_handovers_total") == 1)
        server.post_event(client_message(1))
        text = server.get("/metrics", **BEARER).text
    told = dict(re.findall(r"^# TYPE b24bot_([a-z_]+) (\w+)$", text, re.MULTILINE))
    table = documented()
    assert told.items() <= table.items()
    assert set(table) - set(told) <= RARE


def test_every_counter_of_the_code_is_in_the_table() -> None:
    code = MONITORING.parents[1] / "python_bot"
    counted = {
        name
        for path in code.rglob("*.py")
        for name in re.findall(r'metrics\.(?:count|observe)\(\s*"([a-z_]+)"', path.read_text(encoding="utf-8"))
    }
    assert counted <= set(documented())


@pytest.mark.parametrize("name", ["alerts.yml", "grafana.json"])
def test_dashboard_and_alerts_use_known_names(name: str) -> None:
    text = (MONITORING / name).read_text(encoding="utf-8")
    used = set(USED.findall(text))
    assert len(used) > 8
    assert used <= set(documented())


def test_the_dashboard_is_one() -> None:
    dashboard = json.loads((MONITORING / "grafana.json").read_text(encoding="utf-8"))
    places = [(p["gridPos"]["x"], p["gridPos"]["y"]) for p in dashboard["panels"]]
    assert len(set(places)) == len(places)
    assert all(panel["targets"] for panel in dashboard["panels"])
