from __future__ import annotations

from hypothesis import HealthCheck, settings

# The machine is shared: no deadline of a single example, and the whole folder stays quick.
settings.register_profile(
    "b24bot", deadline=None, max_examples=80, suppress_health_check=[HealthCheck.too_slow], derandomize=True
)
settings.load_profile("b24bot")
