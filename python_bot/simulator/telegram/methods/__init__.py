"""The methods of the Bot API: what each file offers, gathered into one table by lower-case name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from ..core import Core
from ..model import Bot
from ..params import Params
from . import about, chats, editing, media, sending, topics, updates

Method = Callable[[Core, Bot, Params], Any]

METHODS: Final[dict[str, Method]] = {
    name.lower(): method
    for room in (about, updates, sending, media, editing, topics, chats)
    for name, method in room.METHODS.items()
}
# Run without the lock: others go on while they wait.
WAITING: Final = frozenset({"getupdates"})
