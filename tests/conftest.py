"""One profile of hypothesis for all tests: repeatable, without deadlines (machines are shared)."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile(
    "b24bot", deadline=None, max_examples=80, suppress_health_check=list(HealthCheck), derandomize=True
)
settings.load_profile("b24bot")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, Any, Any]:
    """What a test has logged may hold what UTF-8 cannot say; the process that collects the reports gets it escaped."""
    report = yield
    report.sections = [(name, text.encode(errors="backslashreplace").decode()) for name, text in report.sections]
    return report
