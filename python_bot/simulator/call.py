"""What a REST method gets, and how it refuses."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from .model import Chat, User
from .php import as_int, as_text

if TYPE_CHECKING:
    from .apps import App
    from .core import Core

PAGE = 50


class RestError(Exception):
    """A refusal: HTTP status, machine code, text, and sometimes more keys."""

    def __init__(self, status: int, code: str, text: str, extra: dict[str, Any] | None = None) -> None:
        super().__init__(code)
        self.status, self.code, self.text, self.extra = status, code, text, extra or {}

    def body(self) -> dict[str, Any]:
        return {"error": self.code, "error_description": self.text, **self.extra}


@dataclass(frozen=True, slots=True)
class Caller:
    user: User
    app: App | None  # None: an incoming webhook
    scopes: tuple[str, ...]
    token: str

    @property
    def owner(self) -> str:
        """Whose handlers, bots and working time a call concerns."""
        return self.app.client_id if self.app else f"webhook{self.user.user_id}"


@dataclass(slots=True)
class Ctx:
    """One call of one method."""

    core: Core
    caller: Caller
    params: dict[str, Any]
    start: int
    owner: str
    total: int | None = field(default=None)
    next: int | None = field(default=None)

    @property
    def user(self) -> User:
        return self.caller.user

    @property
    def app(self) -> App:
        """The calling application (methods that need one are not open to webhooks)."""
        assert self.caller.app is not None
        return self.caller.app

    def int(self, name: str) -> int:
        return as_int(self.params.get(name))

    def text(self, name: str) -> str:
        return as_text(self.params.get(name))

    def map(self, name: str) -> dict[str, Any]:
        value = self.params.get(name)
        if isinstance(value, list):
            return {str(index): inner for index, inner in enumerate(value)}
        return value if isinstance(value, dict) else {}

    def chat_of_dialog(self, name: str = "DIALOG_ID") -> Chat | None:
        """`chat1763` -> the chat."""
        dialog_id = self.text(name)
        return self.core.chats.get(as_int(dialog_id.removeprefix("chat"))) if dialog_id.startswith("chat") else None

    def page(self, rows: Sequence[Any]) -> list[Any]:
        """50 rows from `start` on, with `total` and `next`; `start=-1` is not counted."""
        first = max(self.start, 0)
        if self.start >= 0:
            self.total = len(rows)
            if first + PAGE < len(rows):
                self.next = first + PAGE
        return list(rows[first : first + PAGE])

    def is_admin(self) -> bool:
        return self.user.admin

    def sees(self, chat: Chat) -> bool:
        """Members, administrators and operators of the line may read a chat."""
        if self.user.user_id in chat.everyone or self.user.admin:
            return True
        line_ids = {chat.entry_line_id, *(session.line_id for session in chat.sessions)}
        lines = (self.core.lines.get(line_id) for line_id in line_ids)
        return any(self.user.user_id in line.queue for line in lines if line is not None)


@dataclass(frozen=True, slots=True)
class Method:
    """One row of the method table."""

    name: str
    run: Callable[[Ctx], Any]
    scope: str = ""  # "" = any token; "user" = any of the user scopes; "a+b" = both
    upper_keys: bool = True  # False: lower-case parameters are simply not seen
    app_only: str = ""  # error code a webhook gets, when the method wants an application
    v2: bool = False

    def allowed_by(self, scopes: Sequence[str]) -> bool:
        if self.scope == "user":
            return any(scope.startswith("user") for scope in scopes)
        return not self.scope or set(self.scope.split("+")) <= set(scopes)


def table(*methods: Method) -> dict[str, Method]:
    """Classic methods are found in lower case, v2 methods exactly as documented."""
    return {method.name if method.v2 else method.name.lower(): method for method in methods}
