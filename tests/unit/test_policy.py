from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from python_bot.errors import (
    PASSING_CODES,
    BadEvent,
    CallRefused,
    FileUnavailable,
    NoRoomForFiles,
    NotAuthorized,
    PortalError,
    PortalUnavailable,
    StorageBusy,
    StorageFull,
)
from python_bot.outbox.policy import (
    FEWEST_TRIES,
    GIVE_UP_AFTER_S,
    LONGEST_PAUSE_BY_KIND,
    LONGEST_PAUSE_S,
    MAX_FILE_TRIES,
    MAX_REFUSALS,
    GiveUp,
    Later,
    after_failure,
)

kinds = st.sampled_from(["handover", "reconcile", "ensure", "channel.send"])
jitters = st.floats(0.0, 1.0)
attempts = st.integers(1, 10_000)
passing = st.sampled_from([PortalUnavailable("503"), NotAuthorized("dead"), StorageBusy("busy"), StorageFull("full")])


def pause(kind: str, tries: int, error: Exception, jitter: float) -> float:
    decision = after_failure(kind, tries, 0.0, error, jitter)
    assert isinstance(decision, Later)
    return decision.pause_s


@given(kinds, attempts, passing, jitters)
def test_pauses_grow_to_a_cap_and_never_beyond(kind: str, tries: int, error: Exception, jitter: float) -> None:
    longest = LONGEST_PAUSE_BY_KIND.get(kind, LONGEST_PAUSE_S)
    now, then = pause(kind, tries, error, jitter), pause(kind, tries + 1, error, jitter)
    assert 0.0 < now <= then <= longest * 1.25
    assert pause(kind, 10_000, error, 0.5) == longest


@given(kinds, attempts, passing, jitters)
def test_jitter_moves_a_pause_by_a_quarter_at_most(kind: str, tries: int, error: Exception, jitter: float) -> None:
    middle = pause(kind, tries, error, 0.5)
    assert 0.75 * middle <= pause(kind, tries, error, jitter) <= 1.25 * middle


def test_the_first_pauses_are_short_because_a_client_waits() -> None:
    assert [pause("handover", i, PortalUnavailable("x"), 0.5) for i in range(1, 7)] == [1, 2, 4, 8, 16, 20]


@given(kinds, attempts, st.floats(0.0, 3600.0), jitters)
def test_the_time_that_the_portal_named_is_honoured(kind: str, tries: int, asked: float, jitter: float) -> None:
    found = pause(kind, tries, PortalUnavailable("x", retry_after_s=asked), jitter)
    assert asked <= found <= asked + 1.0


def test_a_nonsensical_time_does_not_stop_hand_overs_for_ever() -> None:
    """`operating_reset_at` minus our clock can be anything when one of the two clocks is wrong."""
    assert pause("handover", 1, PortalUnavailable("x", retry_after_s=1e9), 0.5) <= 24 * 3600.0


@given(kinds, attempts, jitters)
def test_a_final_refusal_is_given_up_at_once_with_its_reason(kind: str, tries: int, jitter: float) -> None:
    decision = after_failure(kind, tries, 0.0, CallRefused("m", "OPERATOR_WRONG", "why", 400), jitter)
    assert isinstance(decision, GiveUp) and "OPERATOR_WRONG" in decision.reason


@pytest.mark.parametrize("code", sorted(PASSING_CODES))
def test_a_passing_refusal_is_tried_some_times_only(code: str) -> None:
    error = CallRefused("m", code, "", 500)
    assert isinstance(after_failure("ensure", MAX_REFUSALS - 1, 0.0, error, 0.5), Later)
    assert isinstance(after_failure("ensure", MAX_REFUSALS, 0.0, error, 0.5), GiveUp)


@given(kinds, st.integers(FEWEST_TRIES, 10_000), passing, jitters)
def test_patience_ends_after_days_and_not_before(kind: str, tries: int, error: Exception, jitter: float) -> None:
    assert isinstance(after_failure(kind, tries, GIVE_UP_AFTER_S - 1, error, jitter), Later)
    assert isinstance(after_failure(kind, tries, GIVE_UP_AFTER_S, error, jitter), GiveUp)
    assert isinstance(after_failure(kind, tries, 10.0, error, jitter, patience_s=10.0), GiveUp)


@given(kinds, st.integers(1, FEWEST_TRIES - 1), passing, jitters)
def test_however_old_a_job_is_its_first_failures_do_not_end_it(
    kind: str, tries: int, error: Exception, jitter: float
) -> None:
    assert isinstance(after_failure(kind, tries, 30 * GIVE_UP_AFTER_S, error, jitter), Later)


@pytest.mark.parametrize("error", [ValueError("a bug"), BadEvent("no id"), KeyError("x")])
def test_what_no_waiting_mends_is_given_up_by_name(error: Exception) -> None:
    decision = after_failure("reconcile", 1, 0.0, error, 0.5)
    assert isinstance(decision, GiveUp) and type(error).__name__ in decision.reason


def _family(kind: type[PortalError]) -> set[type[PortalError]]:
    return {kind}.union(*(_family(child) for child in kind.__subclasses__()))


@pytest.mark.parametrize("kind", sorted(_family(PortalError) - {CallRefused}, key=lambda kind: kind.__name__))
def test_trouble_with_the_portal_that_is_no_refusal_is_always_tried_again(kind: type[PortalError]) -> None:
    assert isinstance(after_failure("handover", 1, 0.0, kind("x"), 0.5), Later)


def test_a_file_that_cannot_be_had_is_tried_for_hours_with_growing_pauses_and_then_given_up() -> None:
    error = FileUnavailable("the download was cut")
    pauses = [pause("file.fetch", tries, error, 0.5) for tries in range(1, MAX_FILE_TRIES)]
    assert pauses == sorted(pauses) and pauses[0] == 1.0 and pauses[-1] == 3600.0
    assert 2 * 3600 < sum(pauses) < 5 * 3600
    decision = after_failure("file.fetch", MAX_FILE_TRIES, 0.0, error, 0.5)
    assert isinstance(decision, GiveUp) and decision.reason == f"the download was cut ({MAX_FILE_TRIES} tries)"


def test_a_file_that_never_can_be_had_is_given_up_at_once() -> None:
    assert after_failure("file.fetch", 1, 0.0, FileUnavailable("too large", final=True), 0.5) == GiveUp("too large")


@given(attempts, st.floats(0.0, 1e9), jitters)
def test_files_wait_for_room_as_long_as_it_takes(tries: int, age_s: float, jitter: float) -> None:
    decision = after_failure("file.fetch", tries, age_s, NoRoomForFiles("full"), jitter)
    assert isinstance(decision, Later) and 200 < decision.pause_s < 400
