"""What a portal holds: people, lines, chats, sessions, messages, applications."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

from .clock import iso

STATUS_NEW, STATUS_SKIP, STATUS_ANSWER, STATUS_CLIENT, STATUS_OPERATOR, STATUS_CLOSED = 0, 5, 10, 20, 40, 60


class Tokens(NamedTuple):
    access_token: str
    refresh_token: str
    expires: int  # Unix seconds by the portal's clock


@dataclass(slots=True)
class User:
    user_id: int
    name: str
    admin: bool = False
    position: str = ""
    gender: str = "M"
    active: bool = True
    connector_id: str = ""  # set for clients of open lines
    bot: bool = False
    avatar: str = ""

    @property
    def first_name(self) -> str:
        return self.name.split(" ", 1)[0]

    @property
    def last_name(self) -> str:
        return self.name.partition(" ")[2]

    @property
    def is_client(self) -> bool:
        return bool(self.connector_id)

    @property
    def is_employee(self) -> bool:
        return not self.connector_id and not self.bot


LINE_DEFAULTS = {
    "QUEUE_TYPE": "evenly",
    "QUEUE_TIME": "60",
    "WELCOME_BOT_ENABLE": "N",
    "WELCOME_BOT_ID": "0",
    "WELCOME_BOT_JOIN": "always",
    "WELCOME_BOT_TIME": "600",
    "WELCOME_BOT_LEFT": "queue",
}


@dataclass(slots=True)
class Line:
    line_id: int
    name: str
    queue: list[int]
    active: bool = True
    fields: dict[str, str] = field(default_factory=lambda: dict(LINE_DEFAULTS))
    next_in_queue: int = 0

    @property
    def bot_id(self) -> int:
        """The bot that greets here, or 0."""
        on = self.active and self.fields["WELCOME_BOT_ENABLE"] == "Y"
        return int(self.fields["WELCOME_BOT_ID"]) if on else 0

    @property
    def bot_time_s(self) -> int:
        return int(self.fields["WELCOME_BOT_TIME"])

    @property
    def bot_stays(self) -> bool:
        return self.fields["WELCOME_BOT_LEFT"] == "close"


@dataclass(slots=True)
class Bot:
    bot_id: int
    code: str
    name: str
    owner: str  # client_id of the application
    openline: bool
    kind: str = "B"
    api: str = "v1"
    event_mode: str = "webhook"  # v2 also knows "fetch"
    webhook_url: str = ""
    bot_token: str = ""


@dataclass(slots=True)
class Handler:
    handler_id: int
    owner: str
    event: str
    url: str
    auth_type: int = 0
    offline: bool = False


@dataclass(slots=True)
class Upload:
    """A file before it is sent; it gets its Disk id when it becomes part of a message."""

    name: str
    content: bytes
    width: int = 0
    height: int = 0


@dataclass(slots=True)
class DiskFile:
    file_id: int
    chat_id: int
    author_id: int
    name: str
    content: bytes
    date: float
    width: int = 0
    height: int = 0

    @property
    def extension(self) -> str:
        return self.name.rpartition(".")[2].lower() if "." in self.name else ""

    @property
    def kind(self) -> str:
        for kind, extensions in FILE_KINDS.items():
            if self.extension in extensions:
                return kind
        return "file"


FILE_KINDS = {
    "image": {"jpg", "jpeg", "png", "gif", "webp", "bmp"},
    "video": {"mp4", "mov", "webm"},
    "audio": {"mp3", "ogg", "wav"},
}


@dataclass(slots=True)
class Message:
    """The truth about one message; `text` keeps the last words even after a deletion."""

    message_id: int
    chat_id: int
    session_id: int
    author_id: int
    text: str
    date: float  # Unix seconds
    system: bool = False
    whisper: bool = False
    to_client: bool = True
    files: list[DiskFile] = field(default_factory=list)
    params: dict[str, Any] = field(default_factory=dict)
    previous_id: int = 0
    edited_at: float | None = None
    deleted_at: float | None = None
    delivered_as: list[str] = field(default_factory=list)  # ids the external messenger gave
    is_read: bool = False  # by the client, as the connector told

    @property
    def edited(self) -> bool:
        return self.edited_at is not None

    @property
    def deleted(self) -> bool:
        return self.deleted_at is not None

    @property
    def date_iso(self) -> str:
        return iso(self.date)

    @property
    def wire_text(self) -> str:
        return "" if self.deleted else self.text


@dataclass(slots=True)
class Session:
    session_id: int
    chat_id: int
    line_id: int
    started_at: float
    start_id: int
    operator_id: int = 0
    bot_phase: bool = False  # the operator of the session is a bot
    status: int = STATUS_NEW
    end_id: int = 0
    closed_at: float | None = None
    handed_over_at: float | None = None
    handed_over_by: str = ""  # "rest", "timer", "transfer", "operator", "text"
    vote: int = 0

    @property
    def closed(self) -> bool:
        return self.closed_at is not None


@dataclass(slots=True)
class Chat:
    chat_id: int
    title: str
    connector_id: str
    entry_line_id: int
    external_chat_id: str
    client_id: int
    created_at: float
    members: set[int] = field(default_factory=set)
    owner_id: int = 0  # the operator who answered
    sessions: list[Session] = field(default_factory=list)
    messages: list[Message] = field(default_factory=list)
    crm_lead_id: int = 0
    silent: bool = False
    bots: set[int] = field(default_factory=set)  # members that are bots

    @property
    def dialog_id(self) -> str:
        return f"chat{self.chat_id}"

    @property
    def entity_id(self) -> str:
        return f"{self.connector_id}|{self.entry_line_id}|{self.external_chat_id}|{self.client_id}"

    @property
    def session(self) -> Session:
        """The latest session, closed or not."""
        return self.sessions[-1]

    @property
    def operator_id(self) -> int:
        return self.session.operator_id

    @property
    def bot_in_chat(self) -> bool:
        return bool(self.bots)

    @property
    def everyone(self) -> set[int]:
        return self.members | self.bots


@dataclass(slots=True)
class PrivateChat:
    """A bot and one employee: the same chat for ever, whoever began it."""

    chat_id: int
    bot_id: int
    user_id: int
    messages: list[tuple[int, str]] = field(default_factory=list)  # author, text


@dataclass(slots=True)
class Connector:
    connector_id: str
    name: str
    owner: str
    handler: str
    need_signature: bool = True
    active_lines: set[int] = field(default_factory=set)
    data: dict[int, dict[str, Any]] = field(default_factory=dict)


@dataclass(slots=True)
class Webhook:
    user_id: int
    secret: str
    scopes: tuple[str, ...]
