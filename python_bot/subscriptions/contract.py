"""What every store of subscriptions promises, whatever database is behind it. `tests/contract/` holds it to that.

A *happening* is a row that a trigger of the database wrote in the transaction of what happened. It is *dealt* into
a delivery for each subscription that wants it. The waiting deliveries of one subscription and one chat form a *lane*.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import field
from typing import Final, Literal, Protocol, get_args

from ..db import Tx
from ..values import dataclass

Event = Literal[
    "dialog.opened", "message.created", "message.updated", "message.deleted", "dialog.closed", "dialog.complete"
]
EVENTS: Final[tuple[Event, ...]] = get_args(Event)
PING: Final = "ping"
PING_CHAT: Final = 0

State = Literal["waiting", "delivered", "failed", "dropped"]
Shown = Literal["waiting", "failing", "delivered", "failed", "dropped"]
SHOWN: Final[tuple[Shown, ...]] = get_args(Shown)


@dataclass(frozen=True, slots=True)
class Subscription:
    """`line_id`: only dialogs of this open line; None: of all. `disabled_reason`: '' unless we disabled it."""

    id: int
    url: str = field(repr=False)  # integrators put secrets into addresses
    events: tuple[str, ...]
    line_id: int | None
    secret: str = field(repr=False)
    active: bool
    created_at: int
    disabled_at: int | None
    disabled_reason: str


@dataclass(frozen=True, slots=True)
class Delivery:
    """`tried_at`: the first try since it was last asked for; `ended_at`: when it was delivered, failed or dropped.

    'failed' is a ping that did not get through: everything else is tried until it does. 'dropped': what it was about
    is no longer in the archive, or belongs to another line.
    """

    id: int
    subscription_id: int
    event: str
    chat_id: int
    message_id: int | None
    created_at: int
    state: State
    tries: int
    tried_at: float | None
    ended_at: int | None
    response_status: int | None
    last_error: str

    @property
    def shown_state(self) -> Shown:
        return "failing" if self.state == "waiting" and self.tries else self.state


@dataclass(frozen=True, slots=True)
class Backlog:
    """What waits for one subscription. `oldest_at`: since when the oldest delivery waits, None when none does."""

    waiting: int = 0
    failing: int = 0
    oldest_at: int | None = None
    last_error: str = ""


Lane = tuple[int, int]  # subscription id, chat id


class Subscriptions(Protocol):
    # --- subscriptions

    def add(self, tx: Tx, url: str, events: Sequence[str], line_id: int | None, secret: str, now: float) -> int: ...

    def all(self) -> list[Subscription]:
        """Oldest first."""

    def one(self, subscription_id: int) -> Subscription | None: ...

    def change(
        self,
        tx: Tx,
        subscription_id: int,
        now: float,
        *,
        url: str | None = None,
        events: Sequence[str] | None = None,
        active: bool | None = None,
    ) -> bool:
        """Set what is not None; False when there is no such subscription. What waits is due now, with fresh tries."""

    def disable(self, tx: Tx, subscription_id: int, now: float, reason: str) -> None:
        """Stop it, with a notice. What waits goes on waiting for its revival; what happens meanwhile is not kept."""

    def remove(self, subscription_id: int) -> bool:
        """With its deliveries, in small transactions; False when there was none."""

    # --- from happenings to deliveries

    def deal(self, tx: Tx, limit: int, now: float) -> int:
        """Make at most about `limit` deliveries of the next happenings and forget those; how many happenings it were.

        What changes of a message beside its coming, an edit or a deletion needs no delivery of its own.
        """

    def ping(self, tx: Tx, subscription_id: int, now: float) -> int:
        """A delivery that only says hello; its id. It is sent to a subscription that is not active, too."""

    # --- sending

    def due(self, subscription_id: int, now: float, limit: int) -> list[Lane]:
        """Lanes whose first delivery is due, the longest due first; of one that is not active only pings."""

    def next_due(self, subscription_id: int) -> float | None: ...

    def head(self, lane: Lane) -> Delivery | None:
        """The delivery that has to be sent first; None when nothing waits."""

    def delivered(self, tx: Tx, delivery: Delivery, status: int, now: float) -> None: ...

    def dropped(self, tx: Tx, delivery: Delivery, reason: str, now: float) -> None: ...

    def failed(self, tx: Tx, delivery: Delivery, error: str, status: int | None, due_at: float, now: float) -> None:
        """It did not get through; it and what waits behind it is tried again at `due_at`. A ping is given up."""

    def put_off(self, tx: Tx, lane: Lane, due_at: float) -> None:
        """Not now; this counts as no try."""

    def hasten(self, tx: Tx, subscription_id: int, now: float) -> None:
        """What was put off is due now: what held it back is over."""

    # --- looking and cleaning up

    def deliveries(self, subscription_id: int, state: Shown | None, before: int | None, limit: int) -> list[Delivery]:
        """Newest first, those with an id below `before`."""

    def delivery(self, subscription_id: int, delivery_id: int) -> Delivery | None: ...

    def replay(self, tx: Tx, subscription_id: int, delivery_id: int, now: float) -> bool:
        """Send it once more, under the same id, with what the archive shows then; False when there is none."""

    def backlog(self) -> dict[int, Backlog]:
        """By subscription, every one of them."""

    def happenings(self) -> int:
        """How many were not dealt yet, counted up to 10,000."""

    def drop_ended(self, tx: Tx, before: float, limit: int) -> int:
        """Forget deliveries that ended before this time; how many."""
