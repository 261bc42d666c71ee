"""One profile of hypothesis for all tests: repeatable, without deadlines (machines are shared). The order of files."""

from __future__ import annotations

import signal
from collections.abc import Generator
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, settings

# A shell that runs the tests in the background has them, and all that they start, ignore Ctrl-C.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

settings.register_profile(
    "b24bot", deadline=None, max_examples=80, suppress_health_check=list(HealthCheck), derandomize=True
)
settings.load_profile("b24bot")


# The files that run longest (half a minute and more), in falling order: workers that take whole files from here end at
# about the same time, and none is left alone with a long one at the end.
LONGEST: Final = (
    "instance/test_whole.py",
    "cli/test_doctor.py",
    "e2e/test_accidents.py",
    "instance/test_sync.py",
    "e2e/test_https.py",
    "e2e/test_upgrades.py",
    "instance/test_page_in_chromium.py",
    "e2e/test_doctor.py",
    "instance/test_ui_in_chromium.py",
    "instance/test_page.py",
    "instance/test_files.py",
    "e2e/test_firewall.py",
    "instance/test_crash.py",
    "e2e/test_setup.py",
    "e2e/test_first_install.py",
    "instance/test_trust.py",
    "instance/test_tokens.py",
    "instance/test_setup.py",
    "e2e/test_duckdns.py",
    "e2e/test_daily.py",
    "instance/test_vectors.py",
    "instance/test_handover.py",
    "instance/test_storage_faults.py",
    "instance/test_fetch_mode.py",
    "e2e/test_wizard.py",
    "e2e/test_moving.py",
    "cli/test_demo.py",
    "instance/test_relay.py",
    "instance/test_relay_storm.py",
    "instance/test_telegram_storm.py",
    "api/test_generated_requests.py",
)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if hasattr(config, "workerinput"):  # of pytest-xdist
        rank = {name: place for place, name in enumerate(LONGEST)}
        items.sort(key=lambda item: rank.get(f"{item.path.parent.name}/{item.path.name}", len(LONGEST)))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, Any, Any]:
    """What a test has logged may hold what UTF-8 cannot say; the process that collects the reports gets it escaped."""
    report = yield
    report.sections = [(name, text.encode(errors="backslashreplace").decode()) for name, text in report.sections]
    return report
