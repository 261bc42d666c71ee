"""A client of the installed portal put together: once for the running instance, and for `botctl` beside it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ..values import dataclass
from .client import BitrixClient, CallObserver
from .hosts import HostPolicy
from .pace import Pace
from .tokens import Authorizer, TokenStore
from .transport import READ_TIMEOUT_S, Exchange, Transport


@dataclass(frozen=True, slots=True)
class Connection:
    """The parts, for those who need one of them alone. `transport.close()` ends it."""

    tokens: TokenStore
    policy: HostPolicy
    transport: Transport
    pace: Pace
    authorizer: Authorizer
    client: BitrixClient


def connect(
    home: Path,
    *,
    portal: str,
    oauth_url: str,
    client_id: str,
    client_secret: str,
    observe: CallObserver = lambda method, outcome, seconds: None,
    journal: Callable[[Exchange], None] = lambda exchange: None,
    read_timeout_s: float = READ_TIMEOUT_S,
) -> Connection:
    """Calls nobody yet. `home`: where `auth.json` lies; its lock keeps several processes from refreshing at once.

    `observe`: told of finished calls, `journal` of every request with all that it carried.
    """
    tokens, policy, pace = TokenStore(home), HostPolicy(portal, oauth_url), Pace()
    transport = Transport(read_timeout_s=read_timeout_s, observe=journal)
    authorizer = Authorizer(tokens, transport, policy, client_id, client_secret)
    client = BitrixClient(transport, authorizer, pace, observe=observe)
    return Connection(tokens, policy, transport, pace, authorizer, client)
