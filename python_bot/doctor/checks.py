"""Facts -> findings, one small function a question. Pure. What could not be seen is no finding."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from .check_channels import CHANNEL_CHECKS
from .check_machine import MACHINE_CHECKS
from .check_portal import PORTAL_CHECKS
from .check_reach import REACH_CHECKS
from .check_records import RECORD_CHECKS
from .facts import Facts
from .findings import Finding

CHECKS: Final[tuple[Callable[[Facts], Iterator[Finding]], ...]] = (
    *REACH_CHECKS,
    *PORTAL_CHECKS,
    *RECORD_CHECKS,
    *CHANNEL_CHECKS,
    *MACHINE_CHECKS,
)


def check(facts: Facts) -> list[Finding]:
    return [finding for each in CHECKS for finding in each(facts)]
