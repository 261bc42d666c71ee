"""Who may use how many senders, when a subscriber is let alone, and what is worth a delivery."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from python_bot.errors import DeliveryFailed
from python_bot.outbox.policy import GiveUp, Later, after_failure
from python_bot.subscriptions.dealing import Happening, worth_telling
from python_bot.subscriptions.turns import (
    LONGEST_REST_S,
    SENDERS,
    SENDERS_FOR_DOUBTFUL,
    SENDERS_PER_HOST,
    Busy,
    Standing,
    places,
)

TRUSTED, DOUBTFUL = Standing(trusted=True), Standing()


def test_a_trusted_subscriber_gets_two_senders_and_any_other_one() -> None:
    assert places(1, "https://a", TRUSTED, [], 0.0) == SENDERS_PER_HOST
    assert places(1, "https://a", TRUSTED, [Busy(1, "https://a", True)], 0.0) == 1
    assert places(1, "https://a", DOUBTFUL, [], 0.0) == 1
    assert places(1, "https://a", DOUBTFUL, [Busy(1, "https://a", False)], 0.0) == 0


def test_two_subscriptions_of_one_host_share_its_senders() -> None:
    busy = [Busy(1, "https://a", True), Busy(2, "https://a", True)]
    assert places(3, "https://a", TRUSTED, busy, 0.0) == 0
    assert places(3, "https://b", TRUSTED, busy, 0.0) == SENDERS_PER_HOST


@given(st.lists(st.tuples(st.integers(1, 20), st.booleans()), max_size=200))
def test_however_many_hang_half_of_the_senders_stay_for_the_others(asking: list[tuple[int, bool]]) -> None:
    """Whoever gets a place keeps it for ever: nobody answers."""
    busy: list[Busy] = []
    for number, trusted in asking:
        standing = TRUSTED if trusted else DOUBTFUL
        room = places(number, f"https://{number}", standing, busy, 0.0)
        busy += [Busy(number, f"https://{number}", trusted)] * room
    assert len(busy) <= SENDERS
    assert sum(not one.trusted for one in busy) <= SENDERS_FOR_DOUBTFUL
    if all(not one.trusted for one in busy):
        assert places(99, "https://good", TRUSTED, busy, 0.0) == SENDERS_PER_HOST


def test_one_that_fails_again_and_again_rests_longer_and_longer_until_something_gets_through() -> None:
    standing, rests = Standing(trusted=True), []
    for _ in range(15):
        standing = standing.after_failure(100.0, unreachable=False, retry_after_s=None)
        rests.append(standing.rests_until - 100.0)
    assert rests[:6] == [0.0, 0.0, 1.0, 2.0, 4.0, 8.0]
    assert rests[-1] == LONGEST_REST_S
    assert places(1, "https://a", standing, [], 399.0) == 0
    assert places(1, "https://a", standing, [], 400.0) == 1
    assert standing.after_success() == TRUSTED


def test_one_that_asks_for_time_gets_it() -> None:
    standing = Standing().after_failure(100.0, unreachable=True, retry_after_s=30.0)
    assert standing.rests_until == 130.0
    assert Standing().after_failure(100.0, unreachable=True, retry_after_s=1e5).rests_until == 100.0 + LONGEST_REST_S


def test_the_outboxs_pauses_hold_for_webhooks() -> None:
    refused = DeliveryFailed("answered HTTP 500", status=500)
    assert after_failure("webhook", 1, 0.0, refused, 0.5) == Later(1.0)
    assert after_failure("webhook", 30, 0.0, refused, 0.5) == Later(3600.0)
    assert after_failure("webhook", 2, 0.0, DeliveryFailed("busy", retry_after_s=40.0), 0.5) == Later(40.5)
    assert isinstance(after_failure("webhook", 90, 3 * 24 * 3600.0, refused, 0.5), GiveUp)
    assert isinstance(after_failure("webhook", 1, 0.0, DeliveryFailed("gone", status=410, final=True), 0.5), GiveUp)


def happened(*events: str) -> list[Happening]:
    return [Happening(i, event, 5, 1 if event.startswith("message") else None, 0) for i, event in enumerate(events)]


def names(rows: list[Happening]) -> list[str]:
    return [row.event for row in rows]


ALL = ("message.created", "message.updated", "message.deleted", "dialog.opened", "dialog.closed", "dialog.complete")


def test_an_edit_and_a_deletion_are_told_and_what_goes_with_them_is_not() -> None:
    rows = happened("message.created", "message.updated", "message.edited", "message.updated", "message.deleted")
    assert names(worth_telling(rows, ALL)) == ["message.created", "message.updated", "message.deleted"]
    assert names(worth_telling(rows, ("message.updated",))) == ["message.updated"]
    assert names(worth_telling(happened("message.updated", "message.updated"), ALL)) == ["message.updated"]
    assert names(worth_telling(happened("message.edited", "message.edited"), ALL)) == ["message.updated"] * 2
    # A deletion is a change, too, to somebody who asked for changes alone.
    assert names(worth_telling(happened("message.updated", "message.deleted"), ("message.updated",))) == [
        "message.updated"
    ]


def test_complete_is_told_once_and_last() -> None:
    rows = happened("dialog.complete", "message.created", "dialog.complete", "dialog.closed")
    assert names(worth_telling(rows, ALL)) == ["message.created", "dialog.closed", "dialog.complete"]
