"""What everything in this room works with."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from ..channels.messages import SqliteChannelMessages
from ..channels.posts import SqlitePosts
from ..channels.registry import Registry
from ..channels.store import SqliteChannels
from ..db import Storage
from ..intake import Intake
from ..metrics import Metrics
from ..outbox import Outbox
from ..values import dataclass
from .abreast import Abreast
from .inbox import Inbox
from .links import FileLinks
from .openline import OpenLine
from .sent_files import SentFiles
from .topics import Topics

UNDER_WAY_S: Final = 3.0  # so long after its sender died, or gave up, a request may still be done


def rest_s(tried_at: int, now: float) -> float:
    """Seconds until it is of use to look what became of a request."""
    return min(UNDER_WAY_S, max(0.0, tried_at + UNDER_WAY_S - now))


@dataclass(frozen=True, slots=True)
class RelayParts:
    """`language`: of the portal's people. `accounts_changed`: told after an account came, went or changed.

    `portal_chat`: asks the portal which chat of its own a connector's chat has become. Raises PortalError.
    """

    storage: Storage
    intake: Intake
    channels: SqliteChannels
    messages: SqliteChannelMessages
    posts: SqlitePosts
    registry: Registry
    outbox: Outbox
    inbox: Inbox
    topics: Topics
    open_line: OpenLine
    abreast: Abreast
    links: FileLinks
    sent_files: SentFiles
    metrics: Metrics
    portal_chat: Callable[[str, str], int | None]
    language: Callable[[], str]
    accounts_changed: Callable[[], None]
