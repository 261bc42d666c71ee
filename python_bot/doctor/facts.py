"""What was seen, before anybody judges it. None: could not be seen (in time), so that nothing is concluded from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from pathlib import Path
from typing import Literal

from ..bitrix.ensure import Wish
from ..channels.base import HookState
from ..traffic import Answered
from ..values import dataclass


@dataclass(frozen=True, slots=True)
class Subject:
    """The instance that is examined, and how its settings say it should be. `host`, `port`: of the public URL.

    `local_port`: Gunicorn's. `behind_nginx`: nginx is ours to look at. `secrets`: what must not stand in a log.
    """

    name: str
    home: Path
    wish: Wish
    scheme: str
    host: str
    unicode_host: str
    port: int
    prefix: str
    local_port: int
    behind_nginx: bool
    enabled: bool
    api_token: str = field(repr=False)
    portal: str = ""
    oauth_url: str = ""
    client_id: str = ""
    client_secret: str = field(default="", repr=False)
    journal_days: int = 0
    connector_handler: str = field(default="", repr=False)  # it may hold a secret
    channel_urls: Mapping[str, str] = field(default_factory=dict)
    connectors: Mapping[str, int] = field(default_factory=dict)  # of the accounts of messengers -> the line of each

    @property
    def path(self) -> str:
        return f"{self.prefix}/python_bot/"


@dataclass(frozen=True, slots=True)
class Visit:
    """One request to the handler's URL. `status`: 0 when nothing answered; `problem` then says why.

    `arrived_as`: the path with which it reached our application; '' when it did not.
    """

    hop: Literal["application", "nginx", "public"]
    method: str
    address: str
    status: int
    problem: str = ""
    arrived_as: str = ""
    untrusted: bool = False


@dataclass(frozen=True, slots=True)
class Reach:
    """`addresses`: where the name leads; `own`: the addresses of this machine. `not_ready`: the words of /readyz."""

    addresses: tuple[str, ...] | None
    unicode_addresses: tuple[str, ...] | None
    own: tuple[str, ...]
    visits: tuple[Visit, ...]
    not_ready: str = ""

    def at(self, hop: str) -> list[Visit]:
        return [visit for visit in self.visits if visit.hop == hop]


@dataclass(frozen=True, slots=True)
class Unit:
    """As systemd sees it. `seconds_up`: since it became active, None when it is not."""

    name: str
    active: str
    sub: str
    restarts: int
    seconds_up: float | None


@dataclass(frozen=True, slots=True)
class MachineState:
    """`nginx_cause`: why `nginx -t` fails, '' when it does not. `linked`: the site is switched on."""

    units: tuple[Unit, ...]
    disk_used: float
    disk_free_mb: int
    memory_free_mb: int | None
    nginx_runs: bool
    nginx_cause: str
    nginx_warnings: tuple[str, ...]
    linked: bool
    wrong_permissions: tuple[str, ...]
    release_python: str
    system_python: str
    logs_with_secrets: tuple[str, ...]
    interrupted: str
    disabled: bool


@dataclass(frozen=True, slots=True)
class LineSettings:
    line_id: int
    name: str
    fields: Mapping[str, str]


TokenState = Literal["works", "none", "uninstalled", "dead", "dismissed", "expired", "busy", "unreachable", "unread"]


@dataclass(frozen=True, slots=True)
class PortalState:
    """What the portal says of us. `test_s`: after how long its own test event arrived; None when it did not.

    `clock_ahead_s`: our clock minus the portal's. `refusals`: method -> code. `client_refusal`: with which code the
    authorization server refuses CLIENT_ID and CLIENT_SECRET, '' when it knows them; `oauth_problem`: why it could not
    be asked. `connectors`: whether each is active on its line.
    """

    token: TokenState
    problem: str = ""
    token_left_s: float | None = None
    renewable: bool = False
    renewed: bool = False
    scopes: tuple[str, ...] | None = None
    user_id: int = 0
    admin: bool | None = None
    handlers: tuple[tuple[str, str], ...] | None = None
    bots: tuple[tuple[int, str], ...] | None = None
    lines: tuple[LineSettings, ...] | None = None
    refusals: Mapping[str, str] = field(default_factory=dict)
    test_sent: bool = False
    test_s: float | None = None
    clock_ahead_s: float | None = None
    client_refusal: str | None = None
    oauth_problem: str = ""
    connectors: Mapping[str, bool] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Buried:
    kind: str
    reason: str


@dataclass(frozen=True, slots=True)
class AccountState:
    """An account of a messenger, as the instance left it. `waiting`: messages that have not reached the portal."""

    account_id: int
    channel: str
    name: str
    state: str
    problem: str
    line_id: int | None
    line_problem: str
    connector_id: str
    waiting: int = 0

    @property
    def label(self) -> str:
        return f"{self.channel} {self.account_id} ({self.name})"


@dataclass(frozen=True, slots=True)
class ArchiveState:
    """`verdict`: of the integrity check: 'ok', what is wrong, or None when it was too long for us.

    `bot_ids`: our bots in the order in which they came, with the time. `doubled`: people with several open chats in one
    line. `gaps`: what is older than a day and was never compared. `set_aside`: files that were no readable
    database when the instance started. `refused`: why requests that looked like the portal's events were not taken
    while its test event was awaited. `traffic`: what the HTTP journal counted in the last day, `traffic_s`: how long
    ago its newest request began.
    """

    exists: bool
    verdict: str | None = None
    problem: str = ""
    waiting: int = 0
    oldest_s: float | None = None
    last_error: str = ""
    buried: tuple[Buried, ...] = ()
    last_event: str = ""
    last_event_s: float | None = None
    bot_id: int = 0
    bot_ids: tuple[tuple[int, int], ...] = ()
    doubled: tuple[int, ...] = ()
    dialogs: int = 0
    complete: int = 0
    gaps: int = 0
    set_aside: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()
    accounts: tuple[AccountState, ...] = ()
    traffic: tuple[Answered, ...] | None = None
    traffic_s: float | None = None


@dataclass(frozen=True, slots=True)
class AccountHook:
    """What a messenger said when it was asked. `state`: None when no webhook is needed, or it cannot tell;
    `problem`: why it could not be asked."""

    state: HookState | None = None
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Facts:
    subject: Subject
    machine: MachineState
    reach: Reach
    portal: PortalState
    archive: ArchiveState
    now: float
    hooks: Mapping[int, AccountHook] = field(default_factory=dict)  # by the number of the account
