"""The contract between a messenger and everything that is written once for all of them.

A *channel* is a messenger (Telegram, Avito); an *account* is one bot or shop in it, with its own secrets. What clients
write comes as `Incoming`; a *desk* (an open line, topics of a Telegram group) shows it to the team; what the team
answers goes out as `Outgoing`, cut by the channel into `Part`s, each of which is one request to the messenger.

A channel knows its messenger and nothing else: neither the portal, nor the archive, nor another channel. What a
messenger cannot do is not in its class: `EditsMessages` and the others below are contracts of their own, and
`isinstance` asks for them. Failures are `errors.DeliveryFailed`: `final` when trying again cannot help, with a text
that tells an operator what to do and never holds a token or a URL with one.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import field
from typing import Literal, Protocol, runtime_checkable

from ..values import dataclass

AccountState = Literal["connecting", "working", "failing", "off"]
Speaker = Literal["client", "staff", "system"]
Change = Literal["message", "edit", "delete"]


@dataclass(frozen=True, slots=True)
class Call:
    """One finished request, for figures and journals. `status`: None when no answer came, `failure` names why."""

    method: str
    host: str
    status: int | None
    failure: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Setup:
    """What a channel is built with. `api_url`: of the messenger, '' for the official one; `public_url`: ours, with the
    prefix of the instance and a slash at its end ('https://bots.acme.ru/shop-1/'), '' without a public address.

    `observe`: to be told of every request that went out (`http.Http` does); the HTTP journal has them from there.
    """

    instance: str
    public_url: str = ""
    api_url: str = ""
    observe: Callable[[Call], None] = field(default=lambda call: None, repr=False)


@dataclass(frozen=True, slots=True)
class Identity:
    """Who an account is, as the messenger says. `external_id`: unique within the channel ('7000000001')."""

    external_id: str
    name: str
    url: str = ""


@dataclass(frozen=True, slots=True)
class Account:
    """One bot or shop. `line_id`: the open line that it is a channel of; None: of none (yet).

    `state`: 'connecting' until it worked once, 'failing' with `problem` for people, 'off' by an administrator.
    `secrets` never leave the process; `options` are the channel's own settings, JSON values.
    """

    id: int
    channel: str
    identity: Identity
    line_id: int | None
    state: AccountState
    problem: str
    created_at: int
    secrets: Mapping[str, str] = field(repr=False)
    options: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Person:
    """Who writes. `id` is unique within the channel and stable; the portal makes one connector user of it."""

    id: str
    name: str
    last_name: str = ""
    url: str = ""
    phone: str = ""


@dataclass(frozen=True, slots=True)
class IncomingFile:
    """`ref`: whatever `OpensFiles.open_file` needs to find the content again. `size`: bytes, 0 when unknown."""

    ref: str
    name: str
    type: str
    size: int = 0


@dataclass(frozen=True, slots=True)
class Incoming:
    """One thing that happened in a chat of an account.

    `key`: unique within the account, the same whenever the messenger tells this again, by whatever way.
    `chat_id`, `message_id`: as the open line knows them ('tg:5200000123', '5200000123:41'); `sent_at`: Unix seconds.
    `album`: the same for messages that belong together; they are waited for and shown as one.
    `thread`: the topic of a group that it was written in ('17'), '' outside topics.
    `by`: 'staff' wrote in the messenger's own program and is shown as the team's words, never as the client's.
    """

    key: str
    change: Change
    chat_id: str
    message_id: str
    sent_at: int
    sender: Person
    text: str = ""
    files: tuple[IncomingFile, ...] = ()
    by: Speaker = "client"
    album: str = ""
    thread: str = ""
    chat_name: str = ""
    chat_url: str = ""


@dataclass(frozen=True, slots=True)
class ChatChanged:
    """What became of a chat of an account; `state` is shown to people, 'moved' goes on as `moved_to`."""

    key: str
    chat_id: str
    state: Literal["open", "blocked", "gone", "moved"]
    at: int
    moved_to: str = ""


@dataclass(frozen=True, slots=True)
class ReadUpTo:
    """The client has read what the team wrote in a chat, up to `at` (Unix seconds)."""

    key: str
    chat_id: str
    at: int


Happened = Incoming | ChatChanged | ReadUpTo


@dataclass(frozen=True, slots=True)
class Polled:
    """The answer of one asking: what happened, the cursor to store with it in one transaction, and the pause before
    the next asking (seconds; 0: at once). `was_asked`: False when this account is not to be asked, and nothing is
    known of its health by that."""

    happened: tuple[Happened, ...]
    cursor: str
    pause_s: float
    was_asked: bool = True


@dataclass(frozen=True, slots=True)
class OutgoingFile:
    """A file of the team. `url`: where its content can be read from now; no client is shown it.

    `source`: opens a content that has no address, such as a file of another messenger; it goes before `url`.
    `link`: makes the address under which a client may fetch what the messenger takes from no bot.
    """

    name: str
    type: str
    size: int
    url: str = field(repr=False)
    source: Callable[[], Content] | None = field(default=None, repr=False, compare=False)
    link: Callable[[], str] | None = field(default=None, repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class Outgoing:
    """What the team answers in one chat. `key`: stable over all tries. `text`: BB code as the operator sent it."""

    key: str
    chat_id: str
    text: str
    files: tuple[OutgoingFile, ...] = ()
    author: str = ""


@dataclass(frozen=True, slots=True)
class Part:
    """One request to the messenger. `number` counts from 0 within its message; `text` is ready to be sent.

    `kind` is the channel's own word ('text', 'photo', 'album'); several files only where one request takes several.
    """

    number: int
    kind: str
    text: str = ""
    files: tuple[OutgoingFile, ...] = ()


@dataclass(frozen=True, slots=True)
class Content:
    """A file on its way through. `size`: bytes, None when the messenger does not say. Close it when done."""

    type: str
    size: int | None
    blocks: Iterator[bytes]


class Channel(Protocol):
    """What every messenger can do. Safe for several threads; each call blocks up to 30 s."""

    name: str  # 'telegram': in URLs, in tables, in `botctl <instance> telegram`
    title: str  # 'Telegram': for people

    def identify(self, secrets: Mapping[str, str]) -> Identity:
        """Ask the messenger whose secrets these are. Raises DeliveryFailed, `final` when they are wrong."""

    def parts(self, message: Outgoing) -> Sequence[Part]:
        """Pure: what is to be requested, in order. Empty when the messenger can show nothing of it."""

    def deliver(self, account: Account, chat_id: str, part: Part) -> tuple[str, ...]:
        """Send one part; the messenger's ids of what it became (an album has several), in the form of
        `Incoming.message_id`. Raises DeliveryFailed; without `status` nobody knows whether the part arrived."""


@runtime_checkable
class EditsMessages(Protocol):
    def edit(self, account: Account, chat_id: str, message_id: str, part: Part) -> None:
        """Replace the text of what was sent. Unchanged text is success. Raises DeliveryFailed."""


@runtime_checkable
class DeletesMessages(Protocol):
    def delete(self, account: Account, chat_id: str, message_id: str) -> None:
        """Take back what was sent; what is gone already is success. Raises DeliveryFailed."""


@runtime_checkable
class MarksRead(Protocol):
    def mark_read(self, account: Account, chat_id: str) -> None:
        """Show the client that the team has read the chat. Raises DeliveryFailed."""


@dataclass(frozen=True, slots=True)
class Doubt:
    """Nobody knows whether a part arrived: we died, or the network did. `since`: the first try, Unix seconds.

    `before`: the newest message numbers of the account that are older than the try, and all of this chat's that are;
    `known`: those of this chat that belong to messages we know, whatever their age.
    """

    since: int
    before: tuple[str, ...] = ()
    known: frozenset[str] = frozenset()


@runtime_checkable
class FindsSent(Protocol):
    def find_sent(self, account: Account, chat_id: str, part: Part, doubt: Doubt) -> tuple[str, ...]:
        """The ids of a part that is in doubt if it arrived, else (). Ids of other messages that say the same may be
        among them: those that are known are left out by whoever asks.

        A messenger without this is asked again: better twice than never.
        """


@dataclass(frozen=True, slots=True)
class ChatCard:
    """What a chat is about, beyond its messages. `name`: for a dialog or a topic ('Иван · Велосипед горный').

    `client_id`: as `Person.id` of the client's messages, '' when nobody can tell; `about`: lines for the team, shown
    once ('Велосипед горный\n12 000 ₽'); `url`: where it can be seen (the advert).
    """

    name: str
    client_name: str = ""
    client_id: str = ""
    about: str = ""
    url: str = ""


@runtime_checkable
class DescribesChats(Protocol):
    """A messenger whose messages do not name who writes and what about."""

    def describe(self, account: Account, chat_id: str) -> ChatCard:
        """Ask for the card of one chat; once per chat, before its first message is shown. Raises DeliveryFailed."""


@runtime_checkable
class FindsMissed(Protocol):
    """A messenger whose calls to us may be lost or overtake each other."""

    settle_s: float  # how long a call may be overtaken by an earlier one

    def missed(self, account: Account, chat_id: str, since: int) -> Sequence[Happened]:
        """What was said in a chat at `since` (Unix seconds) or later, oldest first. Raises DeliveryFailed."""


@runtime_checkable
class HasTopics(Protocol):
    """A messenger with groups that are divided into topics: each may be the desk of one chat of another messenger."""

    def check_group(self, account: Account, group_id: str) -> str:
        """The title of a group where topics can be made. Raises DeliveryFailed, `final` with what is missing there."""

    def create_topic(self, account: Account, group_id: str, name: str) -> str:
        """The new topic's number. Raises DeliveryFailed."""

    def reopen_topic(self, account: Account, group_id: str, thread_id: str) -> None:
        """One that is open is success. Raises TopicGone, DeliveryFailed."""

    def find_posted(self, account: Account, group_id: str, after: int, known: Collection[str]) -> tuple[str, ...]:
        """Our messages in a group that came after this number of it and are not known: of a request whose answer was
        lost. Raises DeliveryFailed."""

    def topic_address(self, group_id: str, thread_id: str) -> str:
        """Pure: the chat for `deliver` that is this topic; `deliver` then raises TopicGone and TopicClosed too."""


@runtime_checkable
class OpensFiles(Protocol):
    def open_file(self, account: Account, ref: str) -> Content:
        """Stream a file that a client sent. Raises DeliveryFailed."""


@runtime_checkable
class Receives(Protocol):
    """A messenger that has to be told, or asked, before anything comes. Called in the one process that works."""

    def attach(self, account: Account) -> Mapping[str, object]:
        """Make messages come (register a webhook, remove one that is in the way); facts for people about it.

        Repeats safely: called after every change, at every start, and again while it fails.
        """

    def detach(self, account: Account) -> None:
        """Make them stop. Best effort: the account is going away."""


@dataclass(frozen=True, slots=True)
class HookState:
    """How a messenger sees its way to our webhook. `calls`: the host that it calls, '' for none; `is_ours`: it is the
    address that we want. `error`: in its words, why its last calls failed; `waiting`: what it holds back meanwhile.

    `is_needed`: nothing comes without it, because the messenger is not asked besides.
    """

    calls: str
    is_ours: bool
    is_needed: bool
    error: str = ""
    waiting: int = 0


@runtime_checkable
class TellsHook(Protocol):
    """A messenger that can say whether it reaches us: for the doctor. It changes nothing."""

    def hook_state(self, account: Account) -> HookState | None:
        """None when this account is asked and needs no webhook. Raises DeliveryFailed."""


@runtime_checkable
class Polls(Protocol):
    """A messenger that is asked again and again, by one thread per account, in the one process that works."""

    def poll(self, account: Account, cursor: str, is_stopping: Callable[[], bool]) -> Polled:
        """Ask once, from `cursor` on ('' the first time); blocks up to 30 s. Raises DeliveryFailed.

        The cursor is confirmed to the messenger by the next call only, when what it covers is committed.
        """


@runtime_checkable
class Hears(Protocol):
    """A messenger that calls a webhook of ours. The web has compared the secret before this is asked."""

    def read_hook(self, account: Account, body: bytes) -> Sequence[Happened]:
        """Pure: what one request tells; () for what concerns nobody. Raises BadEvent for what cannot be read."""
