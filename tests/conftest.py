"""One profile of hypothesis for all tests: repeatable, without deadlines (machines are shared)."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

settings.register_profile(
    "b24bot", deadline=None, max_examples=80, suppress_health_check=list(HealthCheck), derandomize=True
)
settings.load_profile("b24bot")
