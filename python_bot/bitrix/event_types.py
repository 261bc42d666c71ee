"""What events say, as values: the vocabulary between the readers of payloads and the intake."""

from __future__ import annotations

from ..model import BotCommand, ChatFacts, Message, User
from ..values import dataclass
from .php_form import Tree


@dataclass(frozen=True, slots=True)
class Joined:
    """The bot entered a chat: usually the first sign of a session, sometimes the second."""

    chat: ChatFacts
    bot_id: int | None
    at: int


@dataclass(frozen=True, slots=True)
class MessageAdded:
    """`feed` tells which subscription it came by: the bot's own, the open line's, or a connector's."""

    chat: ChatFacts
    message: Message
    feed: str = "bot"


@dataclass(frozen=True, slots=True)
class MessageEdited:
    chat: ChatFacts
    message_id: int
    author: User
    text: str
    text_plain: str
    at: int


@dataclass(frozen=True, slots=True)
class MessageDeleted:
    """`text` is the portal's last word on the text and often empty; the archived text stays."""

    chat: ChatFacts
    message_id: int
    author: User
    text: str
    text_plain: str
    at: int


@dataclass(frozen=True, slots=True)
class SessionStarted:
    chat: ChatFacts
    at: int


@dataclass(frozen=True, slots=True)
class SessionFinished:
    chat: ChatFacts
    at: int


@dataclass(frozen=True, slots=True)
class BotDeleted:
    bot_id: int | None


@dataclass(frozen=True, slots=True)
class AppInstalled:
    """ONAPPINSTALL and ONAPPUPDATE: the auth block holds the installer's token pair."""


@dataclass(frozen=True, slots=True)
class AppUninstalled:
    clean: bool


@dataclass(frozen=True, slots=True)
class AppTested:
    nonce: str


@dataclass(frozen=True, slots=True)
class ConnectorMessages:
    """An operator's messages for one of our own channels; each is a job for the channel."""

    connector_id: str
    line_id: int
    messages: tuple[MessageAdded, ...]
    items: tuple[Tree, ...]


@dataclass(frozen=True, slots=True)
class ConnectorChanges:
    """Messages for our own channels that an operator changed or deleted. `messages`: the portal's
    chat and message of each; `at`: when."""

    connector_id: str
    line_id: int
    is_deletion: bool
    items: tuple[Tree, ...]
    messages: tuple[tuple[int, int], ...]
    at: int


@dataclass(frozen=True, slots=True)
class ConnectorStopped:
    connector_id: str
    line_id: int


@dataclass(frozen=True, slots=True)
class LineDeleted:
    line_id: int


@dataclass(frozen=True, slots=True)
class BotAsked:
    """An employee gave a command in the private chat with the bot. `language`: as the portal says, 'ru' or other."""

    user_id: int
    chat_id: int
    command: BotCommand
    language: str
    at: int


@dataclass(frozen=True, slots=True)
class Noted:
    """Understood, kept in the journal, nothing more to do."""


Event = (
    Joined
    | MessageAdded
    | MessageEdited
    | MessageDeleted
    | SessionStarted
    | SessionFinished
    | BotDeleted
    | AppInstalled
    | AppUninstalled
    | AppTested
    | ConnectorMessages
    | ConnectorChanges
    | ConnectorStopped
    | LineDeleted
    | BotAsked
    | Noted
)
