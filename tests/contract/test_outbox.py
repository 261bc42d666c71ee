from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from python_bot.model import Job, NewJob

NOW = 1_785_312_000.0
KINDS = ("handover", "reconcile", "channel.send")


def job(key: str, lane: str = "", kind: str = "handover", due_at: float = 0.0) -> NewJob:
    return NewJob(kind, {"key": key, "text": "Ж👍"}, lane or f"lane-{key}", key, "trace", due_at)


def put(stores: Any, *jobs: NewJob, now: float = NOW) -> list[bool]:
    return [stores.write(lambda tx, j=j: stores.outbox.put(tx, j, now)) for j in jobs]


def claim(stores: Any, *kinds: str, limit: int = 50, now: float = NOW, lease_s: float = 60.0) -> list[Job]:
    found: list[Job] = stores.write(lambda tx: stores.outbox.claim(tx, kinds or KINDS, limit, now, lease_s))
    return found


def keys(jobs: list[Job]) -> list[str]:
    return [found.dedupe_key for found in jobs]


# --- putting and claiming


def test_a_job_is_claimed_as_it_was_put(stores: Any) -> None:
    put(stores, job("a", due_at=NOW - 50))
    (found,) = claim(stores)
    assert (found.kind, found.payload, found.lane) == ("handover", {"key": "a", "text": "Ж👍"}, "lane-a")
    assert (found.dedupe_key, found.trace_id, found.attempts, found.created_at) == ("a", "trace", 1, NOW)
    assert found.due_at == NOW  # never before it was created


def test_a_job_that_was_planned_for_later_is_as_old_as_the_time_it_was_planned_for(stores: Any) -> None:
    put(stores, job("a", due_at=NOW + 1000))
    (found,) = claim(stores, now=NOW + 1500)
    assert found.created_at == NOW + 1000
    stores.write(lambda tx: stores.outbox.postpone(tx, found.id, NOW + 2000, "busy"))
    (again,) = claim(stores, now=NOW + 2500)
    assert (again.attempts, again.created_at) == (2, NOW + 1000)


def test_a_job_is_stored_with_the_event_that_caused_it_or_not_at_all(stores: Any) -> None:
    def fail(tx: Any) -> None:
        stores.outbox.put(tx, job("a"), NOW)
        raise RuntimeError

    with pytest.raises(RuntimeError):
        stores.write(fail)
    assert claim(stores) == []
    assert put(stores, job("a")) == [True]


def test_a_waiting_job_is_not_stored_twice_but_again_while_it_is_done_and_afterwards(stores: Any) -> None:
    assert put(stores, job("a"), job("a"), job("b")) == [True, False, True]
    first = claim(stores)
    assert put(stores, job("a"), job("a")) == [True, False]  # asked for again, perhaps too late for the one being done
    assert keys(claim(stores)) == []  # and not done beside it
    stores.write(lambda tx: stores.outbox.done(tx, [found.id for found in first]))
    again = claim(stores)
    assert keys(again) == ["a"] and again[0].id not in [found.id for found in first]


@pytest.mark.parametrize("way", ["postpone", "release", "void_leases"])
def test_a_job_that_was_asked_for_again_meanwhile_waits_once(stores: Any, way: str) -> None:
    put(stores, job("a"))
    (found,) = claim(stores)
    put(stores, job("a"))
    if way == "postpone":
        stores.write(lambda tx: stores.outbox.postpone(tx, found.id, NOW, "later"))
    elif way == "release":
        stores.write(lambda tx: stores.outbox.release(tx, [found.id]))
    else:
        stores.write(lambda tx: stores.outbox.void_leases(tx))
    assert len(stores.outbox.waiting(9)) == 1
    assert keys(claim(stores)) == ["a"]


def test_a_buried_job_does_not_keep_a_new_one_out(stores: Any) -> None:
    put(stores, job("a"))
    (found,) = claim(stores)
    stores.write(lambda tx: stores.outbox.bury(tx, found.id, NOW, "final"))
    assert put(stores, job("a")) == [True]


def test_jobs_leave_oldest_due_first_up_to_the_limit(stores: Any) -> None:
    put(stores, job("late", due_at=NOW + 3), job("soon", due_at=NOW + 1), job("now"), job("then", due_at=NOW + 2))
    assert keys(claim(stores, limit=2, now=NOW + 5)) == ["now", "soon"]
    assert keys(claim(stores, limit=9, now=NOW + 5)) == ["then", "late"]


def test_a_job_that_is_not_due_or_of_another_kind_is_not_claimed(stores: Any) -> None:
    put(stores, job("later", due_at=NOW + 10), job("other", kind="reconcile"))
    assert claim(stores, "handover") == []
    assert claim(stores, "handover", now=NOW + 9.9) == []
    assert keys(claim(stores, "handover", now=NOW + 10)) == ["later"]
    assert keys(claim(stores, "reconcile")) == ["other"]


def test_no_kinds_and_no_ids_do_nothing(stores: Any) -> None:
    put(stores, job("a"))
    assert stores.write(lambda tx: stores.outbox.claim(tx, (), 5, NOW, 60.0)) == []
    stores.write(lambda tx: stores.outbox.done(tx, []))
    stores.write(lambda tx: stores.outbox.release(tx, []))
    assert stores.write(lambda tx: stores.outbox.revive(tx, [], NOW)) == 0
    assert stores.write(lambda tx: stores.outbox.hasten(tx, (), NOW)) == 0
    assert stores.outbox.next_due(()) is None
    assert keys(claim(stores)) == ["a"]


# --- lanes


def test_one_claim_takes_one_job_of_a_lane_and_the_next_waits_for_its_end(stores: Any) -> None:
    put(stores, job("a1", "A"), job("a2", "A"), job("b1", "B"))
    first = claim(stores)
    assert keys(first) == ["a1", "b1"]
    assert claim(stores) == []
    stores.write(lambda tx: stores.outbox.done(tx, [first[0].id]))
    assert keys(claim(stores)) == ["a2"]


def test_what_a_lane_holds_is_told_in_its_order_without_what_is_buried(stores: Any) -> None:
    put(stores, job("a1", "A"), job("b1", "B"), job("a2", "A", due_at=NOW + 5), job("a3", "A"))
    (first,) = (each for each in claim(stores) if each.lane == "A")
    assert keys(stores.outbox.of_lane("A")) == ["a1", "a2", "a3"]
    stores.write(lambda tx: stores.outbox.bury(tx, first.id, NOW, "no"))
    assert keys(stores.outbox.of_lane("A")) == ["a2", "a3"]
    assert stores.outbox.of_lane("C") == []


def test_a_postponed_job_holds_its_lane_back_and_no_other(stores: Any) -> None:
    put(stores, job("a1", "A"), job("a2", "A"), job("b1", "B"))
    first = claim(stores, limit=1)
    stores.write(lambda tx: stores.outbox.postpone(tx, first[0].id, NOW + 30, "busy"))
    assert keys(claim(stores)) == ["b1"]
    assert claim(stores, now=NOW + 29) == []
    (again,) = claim(stores, now=NOW + 30)
    assert (again.dedupe_key, again.attempts, again.last_error) == ("a1", 2, "busy")


def test_a_job_of_another_kind_earlier_in_the_lane_is_not_overtaken(stores: Any) -> None:
    put(stores, job("a1", "A", kind="reconcile", due_at=NOW + 5), job("a2", "A"))
    assert claim(stores, "handover") == []


def test_a_buried_job_frees_its_lane(stores: Any) -> None:
    put(stores, job("a1", "A"), job("a2", "A"))
    (first,) = claim(stores)
    stores.write(lambda tx: stores.outbox.bury(tx, first.id, NOW, "final"))
    assert keys(claim(stores)) == ["a2"]


# --- leases


def test_a_claimed_job_is_nobody_elses_until_its_lease_ends(stores: Any) -> None:
    put(stores, job("a"))
    claim(stores, lease_s=60.0)
    assert claim(stores, now=NOW + 59.9) == []
    (again,) = claim(stores, now=NOW + 60.1)
    assert again.attempts == 2


def test_leases_of_a_dead_worker_are_voided_at_once(stores: Any) -> None:
    put(stores, job("a"), job("b"))
    claim(stores)
    stores.write(stores.outbox.void_leases)
    assert [(found.dedupe_key, found.attempts) for found in claim(stores)] == [("a", 2), ("b", 2)]


def test_a_released_job_counts_no_try(stores: Any) -> None:
    put(stores, job("a"))
    (first,) = claim(stores)
    stores.write(lambda tx: stores.outbox.release(tx, [first.id]))
    (again,) = claim(stores)
    assert (again.id, again.attempts) == (first.id, 1)


def test_next_due_names_the_moment_at_which_a_claim_succeeds(stores: Any) -> None:
    assert stores.outbox.next_due(KINDS) is None
    put(stores, job("a1", "A", due_at=NOW + 7), job("a2", "A"))
    assert stores.outbox.next_due(KINDS) == NOW + 7  # a2 may not overtake
    assert stores.outbox.next_due(("reconcile",)) is None
    claim(stores, now=NOW + 7, lease_s=60.0)
    assert stores.outbox.next_due(KINDS) == NOW + 67


# --- the graveyard


def test_a_buried_job_is_shown_with_its_reason_and_revived_with_fresh_tries(stores: Any) -> None:
    put(stores, job("a"), job("b"))
    for found in claim(stores):
        stores.write(lambda tx, i=found.id: stores.outbox.bury(tx, i, NOW + 1, "OPERATOR_WRONG"))
    shown = stores.outbox.buried(10)
    assert [(b.job.dedupe_key, b.buried_at, b.job.last_error) for b in shown] == [
        ("b", NOW + 1, "OPERATOR_WRONG"),
        ("a", NOW + 1, "OPERATOR_WRONG"),
    ]
    assert len(stores.outbox.buried(1)) == 1
    assert claim(stores, now=NOW + 9999) == []
    assert stores.write(lambda tx: stores.outbox.revive(tx, [shown[1].job.id, 999], NOW + 5)) == 1
    (again,) = claim(stores, now=NOW + 5)
    assert (again.dedupe_key, again.attempts, again.created_at) == ("a", 1, NOW + 5)
    assert stores.write(lambda tx: stores.outbox.revive(tx, None, NOW + 6)) == 1
    assert stores.outbox.buried(10) == []


def test_a_job_queued_anew_meanwhile_leaves_the_old_one_buried(stores: Any) -> None:
    put(stores, job("a"))
    (first,) = claim(stores)
    stores.write(lambda tx: stores.outbox.bury(tx, first.id, NOW, "final"))
    put(stores, job("a"))
    assert stores.write(lambda tx: stores.outbox.revive(tx, None, NOW)) == 0
    assert [b.job.id for b in stores.outbox.buried(10)] == [first.id]
    assert len(claim(stores)) == 1


def test_of_two_buried_jobs_with_one_key_one_is_revived(stores: Any) -> None:
    for _ in range(2):
        put(stores, job("a"))
        (found,) = claim(stores)
        stores.write(lambda tx, i=found.id: stores.outbox.bury(tx, i, NOW, "final"))
    assert stores.write(lambda tx: stores.outbox.revive(tx, None, NOW)) == 1
    assert len(stores.outbox.buried(10)) == 1


# --- haste and figures


def test_haste_makes_postponed_jobs_due_and_leaves_planned_ones(stores: Any) -> None:
    put(stores, job("tried"), job("other", kind="reconcile"))
    for found in claim(stores):
        stores.write(lambda tx, i=found.id: stores.outbox.postpone(tx, i, NOW + 300, "503"))
    put(stores, job("planned", due_at=NOW + 100))
    assert stores.write(lambda tx: stores.outbox.hasten(tx, ("handover",), NOW + 1)) == 1
    assert keys(claim(stores, now=NOW + 1)) == ["tried"]


def test_asking_again_for_sooner_brings_the_job_forward_with_the_new_trace(stores: Any) -> None:
    put(stores, job("a", due_at=NOW + 600))
    assert put(stores, replace(job("a", due_at=NOW + 3), trace_id="asked")) == [False]
    assert put(stores, job("a", due_at=NOW + 900)) == [False]
    (found,) = stores.outbox.waiting(9)
    assert (found.due_at, found.trace_id) == (NOW + 3, "asked")


def test_a_job_that_was_tried_keeps_its_pause_however_often_it_is_asked_for(stores: Any) -> None:
    put(stores, job("a"))
    (found,) = claim(stores)
    stores.write(lambda tx: stores.outbox.postpone(tx, found.id, NOW + 300, "503"))
    put(stores, job("a"))
    assert claim(stores, now=NOW + 299) == []


def test_jobs_planned_for_later_do_not_wait(stores: Any) -> None:
    put(stores, job("now"), job("later", due_at=NOW + 600))
    depth = stores.outbox.depth(NOW)
    assert (depth.waiting, depth.planned, depth.oldest_waiting_at) == ({"handover": 1}, {"handover": 1}, NOW)
    depth = stores.outbox.depth(NOW + 601)
    assert (depth.waiting, depth.planned) == ({"handover": 2}, {})


def test_jobs_are_counted_by_their_trace(stores: Any) -> None:
    put(stores, *(replace(job(key), trace_id="run") for key in "abc"), job("d"))
    for found in claim(stores, limit=1):
        stores.write(lambda tx, i=found.id: stores.outbox.bury(tx, i, NOW, "refused"))
    assert stores.outbox.traced("run") == (2, 1)
    assert stores.outbox.traced("other") == (0, 0)


def test_one_grave_may_stand_for_the_former_ones_of_its_key(stores: Any) -> None:
    for key in ("a", "b", "a"):
        put(stores, job(key))
        (found,) = claim(stores)
        stores.write(lambda tx, i=found.id: stores.outbox.bury(tx, i, NOW, "final"))
    stores.write(lambda tx: stores.outbox.drop_former_graves(tx, found.id))
    assert sorted(dead.job.dedupe_key for dead in stores.outbox.buried(9)) == ["a", "b"]


def test_what_waits_is_listed_and_counted_by_kind(stores: Any) -> None:
    put(stores, job("a"), job("b", kind="reconcile", due_at=NOW + 9), now=NOW)
    put(stores, job("c"), now=NOW + 5)
    (a, _) = claim(stores, now=NOW + 6)
    stores.write(lambda tx: stores.outbox.bury(tx, a.id, NOW + 6, "x"))
    depth = stores.outbox.depth(NOW + 9)
    assert (depth.waiting, depth.buried, depth.oldest_waiting_at) == (
        {"handover": 1, "reconcile": 1},
        {"handover": 1},
        NOW + 5,
    )
    assert keys(stores.outbox.waiting(10)) == ["c", "b"]
    assert keys(stores.outbox.waiting(1)) == ["c"]


def test_an_empty_outbox_has_no_depth(stores: Any) -> None:
    depth = stores.outbox.depth(NOW + 9)
    assert (depth.waiting, depth.buried, depth.oldest_waiting_at) == ({}, {}, None)


def test_a_number_of_a_job_is_never_used_twice(stores: Any) -> None:
    put(stores, job("a"))
    (first,) = claim(stores)
    stores.write(lambda tx: stores.outbox.done(tx, [first.id]))
    put(stores, job("b"))
    assert claim(stores)[0].id > first.id


# --- the promises of a claim, whatever happened before


def test_claims_never_break_their_promises(fresh_stores: Any) -> None:
    class Promises(RuleBasedStateMachine):
        @initialize()
        def opened(self) -> None:
            self.opening = fresh_stores()
            self.stores = self.opening.__enter__()
            self.now, self.count = NOW, 0
            self.leased: dict[int, float] = {}
            self.unfinished: dict[int, tuple[str, str]] = {}  # id -> lane, key; in the order of creation
            self.last_id = 0

        def teardown(self) -> None:
            if hasattr(self, "opening"):
                self.opening.__exit__(None, None, None)

        @rule(lane=st.sampled_from("ABC"), key=st.integers(0, 5), delay=st.integers(0, 20), kind=st.sampled_from(KINDS))
        def put(self, lane: str, key: int, delay: int, kind: str) -> None:
            new = job(f"{lane}{key}", lane, kind, self.now + delay)
            stored = put(self.stores, new, now=self.now)[0]
            assert stored is (new.dedupe_key not in {k for _, k in self.unfinished.values()})
            if stored:
                ids = {found.id for found in self.stores.outbox.waiting(99)}
                (fresh,) = ids - self.unfinished.keys()
                assert fresh > self.last_id
                self.last_id = fresh
                self.unfinished[fresh] = (lane, new.dedupe_key)

        @rule(kinds=st.sets(st.sampled_from(KINDS)), limit=st.integers(1, 4))
        def claim(self, kinds: set[str], limit: int) -> None:
            found = claim(self.stores, *(kinds or KINDS), limit=limit, now=self.now, lease_s=30.0)
            assert len(found) <= limit
            lanes = [one.lane for one in found]
            assert len(set(lanes)) == len(lanes)
            assert [one.due_at for one in found] == sorted(one.due_at for one in found)
            for one in found:
                assert one.kind in (kinds or KINDS) and one.due_at <= self.now
                assert self.leased.get(one.id, 0.0) <= self.now
                assert min(i for i, (lane, _) in self.unfinished.items() if lane == one.lane) == one.id
                self.leased[one.id] = self.now + 30.0

        @rule(data=st.data(), what=st.sampled_from(["done", "postpone", "bury", "release"]))
        def end(self, data: st.DataObject, what: str) -> None:
            held = sorted(i for i, until in self.leased.items() if until > self.now and i in self.unfinished)
            if not held:
                return
            job_id, outbox = data.draw(st.sampled_from(held)), self.stores.outbox
            if what == "done":
                self.stores.write(lambda tx: outbox.done(tx, [job_id]))
            elif what == "bury":
                self.stores.write(lambda tx: outbox.bury(tx, job_id, self.now, "why"))
            elif what == "release":
                self.stores.write(lambda tx: outbox.release(tx, [job_id]))
            else:
                self.stores.write(lambda tx: outbox.postpone(tx, job_id, self.now + 7, "why"))
            self.leased.pop(job_id)
            if what in ("done", "bury"):
                self.unfinished.pop(job_id)

        @rule(seconds=st.integers(1, 40))
        def time_passes(self, seconds: int) -> None:
            self.now += seconds

        @rule()
        def worker_dies(self) -> None:
            self.stores.write(self.stores.outbox.void_leases)
            self.leased.clear()

        @invariant()
        def next_due_is_the_moment_of_the_next_claim(self) -> None:
            if not hasattr(self, "stores"):
                return
            due_at = self.stores.outbox.next_due(KINDS)
            assert (due_at is None) is (not self.unfinished)
            assert {one.id for one in self.stores.outbox.waiting(99)} == set(self.unfinished)

    from hypothesis import settings

    run_state_machine_as_test(Promises, settings=settings(max_examples=25, stateful_step_count=25, deadline=None))


@given(st.lists(st.tuples(st.sampled_from("ABC"), st.integers(0, 9)), min_size=1, max_size=12))
def test_the_jobs_of_a_lane_are_done_in_the_order_of_their_creation(
    fresh_stores: Any, plan: list[tuple[str, int]]
) -> None:
    with fresh_stores() as stores:
        for i, (lane, delay) in enumerate(plan):
            put(stores, job(f"{lane}-{i}", lane, due_at=NOW + delay))
        order: list[str] = []
        now = NOW
        while (due_at := stores.outbox.next_due(KINDS)) is not None:
            now = max(now, due_at)
            found = claim(stores, now=now)
            assert found
            order += keys(found)
            stores.write(lambda tx, ids=[one.id for one in found]: stores.outbox.done(tx, ids))
        for lane in "ABC":
            numbers = [int(key.partition("-")[2]) for key in order if key.startswith(lane)]
            assert numbers == sorted(numbers)
        assert len(order) == len(plan)


def test_jobs_of_a_trace_are_those_that_wait_and_those_that_were_given_up(stores: Any) -> None:
    put(stores, job("a"), job("b"), replace(job("c"), trace_id="other"))
    (first, *_) = claim(stores, limit=1)
    stores.write(lambda tx: stores.outbox.bury(tx, first.id, NOW, "the portal's last word"))
    waiting, buried = stores.outbox.of_trace("trace")
    assert keys(waiting) == ["b"]
    assert [(dead.job.dedupe_key, dead.job.last_error) for dead in buried] == [("a", "the portal's last word")]
    assert stores.outbox.of_trace("nobody") == ([], [])
