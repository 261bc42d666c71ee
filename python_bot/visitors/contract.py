"""What a store of visits promises, whatever database is behind it. Times are Unix seconds."""

from __future__ import annotations

from typing import Literal, Protocol

from ..db import Tx
from ..values import dataclass

Rights = Literal["read", "export", "admin"]
What = Literal["opened", "file", "exported", "searched"]


@dataclass(frozen=True, slots=True)
class Visit:
    """Somebody signed in with one browser.

    `authority`: a keyed hash of what opened it. `user_id`: the employee's number; None: entered with a token, whose
    name is `name` ("" is API_SECRET_TOKEN). `lines`: the open lines that are shown; None: all. `own`: only dialogs in
    which the employee takes part.
    """

    id: int
    authority: str
    name: str
    user_id: int | None
    rights: Rights
    lines: tuple[int, ...] | None
    own: bool
    begun_at: int
    expires_at: int


@dataclass(frozen=True, slots=True)
class Look:
    """`chat_id` 0: at no single conversation. `name`: of the employee or of the token, as known now."""

    id: int
    at: int
    chat_id: int
    what: What
    user_id: int | None
    name: str


class Visitors(Protocol):
    # --- writing

    def begin(self, tx: Tx, cookie: str, visit: Visit) -> None:
        """Keep a visit (its `id` is chosen here) under the hash of its cookie; those that are over go."""

    def end(self, tx: Tx, visit_id: int) -> bool:
        """Nobody can go on with this visit; False when it was over."""

    def looked(self, tx: Tx, visit: Visit, chat_id: int, what: What, at: int) -> None: ...

    def forget_looks(self, tx: Tx, before: int, limit: int) -> int:
        """Delete at most so many looks before this time; how many."""

    # --- reading

    def find(self, cookie: str, now: int) -> Visit | None:
        """The visit under this hash, unless it is over."""

    def going_on(self, now: int) -> list[Visit]:
        """Newest first."""

    def looks(self, before: int | None, limit: int, chat_id: int | None = None) -> list[Look]:
        """Newest first, with an id below `before`; of one conversation when it is named."""
