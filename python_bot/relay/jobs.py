"""Which thread does which job of the channels. None of them begins before there is such a job, and until then nothing
of what does it is loaded: most instances have no account.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache, partial
from typing import TYPE_CHECKING, Final

from ..intake import CHANNEL_DELETE, CHANNEL_EDIT, CHANNEL_SEND
from .accounts import Accounts
from .kinds import (
    CHANNEL_ATTACH,
    CHANNEL_DESCRIBE,
    CHANNEL_GAP,
    CHANNEL_IN,
    CHANNEL_READ,
    CHANNEL_REPLY,
    CHANNEL_STATUS,
    CHANNEL_TOPIC,
)
from .parts import RelayParts

if TYPE_CHECKING:
    from .handlers import Does

_MESSENGERS: Final = (
    CHANNEL_SEND,
    CHANNEL_EDIT,
    CHANNEL_DELETE,
    CHANNEL_DESCRIBE,
    CHANNEL_READ,
    CHANNEL_GAP,
    CHANNEL_REPLY,
)
# The portal has a thread of its own; a slow messenger does not hold another one up.
LANES: Final = {
    "open line": (CHANNEL_IN, CHANNEL_STATUS),
    "messengers": (*_MESSENGERS, CHANNEL_ATTACH),
    "more messengers": _MESSENGERS,
    "topics": (CHANNEL_TOPIC,),  # of its own: a group takes 20 messages a minute
}

Wake = Callable[[], Mapping[str, "Does"]]


def relay_lanes(parts: RelayParts, accounts: Accounts) -> Mapping[str, tuple[tuple[str, ...], Wake]]:
    """Thread -> its kinds in the order in which it looks for work, and what makes the handlers of them."""

    @cache
    def all_handlers() -> Mapping[str, Does]:
        from .handlers import handlers

        return handlers(parts, accounts)

    def of(kinds: tuple[str, ...]) -> Mapping[str, Does]:
        found = all_handlers()
        return {kind: found[kind] for kind in kinds}

    return {name: (kinds, partial(of, kinds)) for name, kinds in LANES.items()}
