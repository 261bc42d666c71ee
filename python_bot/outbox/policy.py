"""When a failed job is tried again, and when it is given up. Pure arithmetic."""

from __future__ import annotations

from typing import Final

from ..errors import (
    CallRefused,
    DeliveryFailed,
    FileUnavailable,
    NoRoomForFiles,
    PortalError,
    PortalUnavailable,
    StorageError,
)
from ..values import dataclass

FIRST_PAUSE_S: Final = 1.0
LONGEST_PAUSE_S: Final = 300.0
LONGEST_ASKED_S: Final = 3600.0  # a Retry-After beyond this is a mistake of somebody's clock
GIVE_UP_AFTER_S: Final = 3 * 24 * 3600.0
FEWEST_TRIES: Final = 8  # however old: a server that was off for days meets a portal that is busy for a minute
MAX_REFUSALS: Final = 8  # tries for an answer that may be passing, such as INTERNAL_SERVER_ERROR

MAX_FILE_TRIES: Final = 15  # of one attachment, over some four hours

# A client waits at the other end of a hand-over, so its pauses stay short. A file that cannot be had costs traffic, and
# what a receiver refused once it will probably refuse again.
LONGEST_PAUSE_BY_KIND: Final = {"handover": 20.0, "file.fetch": 3600.0, "webhook": 3600.0}


@dataclass(frozen=True, slots=True)
class Later:
    """Try again in `pause_s` seconds."""

    pause_s: float


@dataclass(frozen=True, slots=True)
class GiveUp:
    reason: str


def after_failure(
    kind: str, attempts: int, age_s: float, error: Exception, jitter: float, *, patience_s: float = GIVE_UP_AFTER_S
) -> Later | GiveUp:
    """`attempts`: tries so far, this one included; `age_s`: since it was due first.

    `jitter`: 0 … 1, drawn by the caller.
    """
    if isinstance(error, CallRefused) and not error.is_passing:
        return GiveUp(str(error))
    if isinstance(error, CallRefused) and attempts >= MAX_REFUSALS:
        return GiveUp(f"{error} ({attempts} tries)")
    if isinstance(error, NoRoomForFiles):
        return Later(LONGEST_PAUSE_S * (0.75 + 0.5 * jitter))  # for as long as it takes
    if isinstance(error, FileUnavailable) and (error.final or attempts >= MAX_FILE_TRIES):
        return GiveUp(str(error) if error.final else f"{error} ({attempts} tries)")
    if isinstance(error, DeliveryFailed) and error.final:
        return GiveUp(str(error))
    if not isinstance(error, PortalError | StorageError | DeliveryFailed):
        return GiveUp(f"{type(error).__name__}: {error}")
    if age_s >= patience_s and attempts >= FEWEST_TRIES:
        return GiveUp(f"{error} (for {age_s / 3600:.0f} h)")
    asked = error.retry_after_s if isinstance(error, PortalUnavailable | DeliveryFailed) else None
    if asked is not None:
        return Later(min(asked, LONGEST_ASKED_S) + jitter)
    longest = LONGEST_PAUSE_BY_KIND.get(kind, LONGEST_PAUSE_S)
    pause = min(longest, FIRST_PAUSE_S * 2.0 ** min(attempts - 1, 30))
    return Later(pause * (0.75 + 0.5 * jitter))
