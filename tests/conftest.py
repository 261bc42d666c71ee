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


# The files that run longest, in falling order: two workers that take whole files from here end at about the same time,
# and neither is left alone with a long one at the end.
LONGEST: Final = (
    "instance/test_whole.py",
    "e2e/test_accidents.py",
    "e2e/test_https.py",
    "e2e/test_upgrades.py",
    "e2e/test_doctor.py",
    "e2e/test_firewall.py",
    "instance/test_crash.py",
    "e2e/test_setup.py",
    "e2e/test_first_install.py",
    "e2e/test_duckdns.py",
    "e2e/test_daily.py",
    "e2e/test_wizard.py",
    "e2e/test_moving.py",
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
