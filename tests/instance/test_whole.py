"""The whole promise at once: whatever is lost, doubled or late, and whenever the instance dies, the archive ends up
equal to the portal's history.

The plans of CI are always the same ones. B24BOT_WHOLE_SEED=17 plays another, B24BOT_WHOLE_TALKS=1000 a longer one; a
failure prints the seed and a beginning of the plan that fails, as short as was found in some minutes.
"""

from __future__ import annotations

import os
import re
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import pytest

from python_bot.simulator import SimulatedPortal
from python_bot.simulator.actors import Client
from python_bot.simulator.model import Message
from tests.instance.plans import WEATHER, WORLD, Plan, Step, plan
from tests.instance.tools import BEARER, at_work, attach_by_hand, integrity, status
from tests.instance.truth import Follower, Texts, Truth
from tests.support import Server, until
from tests.support.clock import SharedClock
from tests.support.payloads import CLIENT_ID

IS_LONG: Final = bool(os.environ.get("CI") or os.environ.get("B24BOT_LONG_TESTS"))
TALKS: Final = int(os.environ.get("B24BOT_WHOLE_TALKS") or 120)
SEEDS: Final = [int(os.environ["B24BOT_WHOLE_SEED"])] if "B24BOT_WHOLE_SEED" in os.environ else [1]
LONG_SEEDS: Final = range(1, 9) if IS_LONG and "B24BOT_WHOLE_SEED" not in os.environ else SEEDS
HISTORY: Final = "imopenlines.session.history.get"
# Simulated time in which nobody says anything: an idle dialog's first look, rounds of discovery, an open dialog's next
# look after long silence, the last look at what was closed, and the looks that follow from it.
QUIET_S: Final = (700.0, 3700.0, 3 * 3600.0, 25 * 3600.0, 74 * 3600.0, 3700.0)
NARROWING_S: Final = 200.0
MOST_ON_THE_WAY: Final = 150  # events; a real queue is as far behind at most


class World:
    """Plays a plan in a portal with an instance."""

    def __init__(self, portal: SimulatedPortal, server: Server, clock: SharedClock) -> None:
        self.portal, self.server, self.clock = portal, server, clock
        self.texts = Texts()
        self._clients: dict[int, Client] = {}
        self._said: dict[int, list[Message]] = {}
        self._doors: tuple[tuple[int, str], ...] = ()

    def play(self, plan: Plan) -> None:
        self._doors = plan.doors
        for step in plan.steps:
            self.clock.advance(step.pause_s)
            if step.talk == WORLD:
                self._befalls(step)
            else:
                self._does(step)
            while self.portal.core.queue.unfinished > MOST_ON_THE_WAY:
                time.sleep(0.005)  # until: the queue has moved on

    def _does(self, step: Step) -> None:
        portal, said = self.portal, self._said.setdefault(step.talk, [])
        client = self._client(step)
        operator = portal.operator(step.by) if step.by else None
        files = [portal.file(f"файл {step.talk}.{len(said)}.png", b"x" * (100 + len(said)))]
        match step.act:
            case "client writes":
                self._noted(said, client.writes(step.text))
            case "client sends a file":
                self._noted(said, client.writes(step.text, files))
            case "ask for a person":
                self._noted(said, client.writes("0"))
            case "operator writes" if operator:
                self._noted(said, operator.writes(client.chat.chat_id, step.text))
            case "operator sends a file" if operator:
                self._noted(said, operator.writes(client.chat.chat_id, step.text, files))
            case "whisper" if operator:
                self._noted(said, operator.whispers(client.chat.chat_id, step.text))
            case "edit":
                (operator or client).edits(said[step.nth], step.text)
                self.texts.note(said[step.nth])
            case "delete":
                (operator or client).deletes(said[step.nth])
            case "answer" if operator:
                operator.answers(client.chat.chat_id)
            case "to operator" if operator:
                operator.transfers(client.chat.chat_id, to_user=step.to)
            case "to line" if operator:
                operator.transfers(client.chat.chat_id, to_line=step.to)
            case "finish" if operator:
                operator.finishes(client.chat.chat_id)
            case "close by itself":
                portal.auto_close(client.chat.chat_id)
            case "reopen":
                portal.reopen(client.chat.session.session_id)
            case "rate":
                portal.rate(client.chat.session.session_id, step.to)
            case _:
                raise ValueError(step)

    def _noted(self, said: list[Message], message: Message) -> None:
        said.append(message)
        self.texts.note(message)

    def _client(self, step: Step) -> Client:
        if step.talk not in self._clients:
            line, connector = self._doors[step.talk]
            name = f"Клиент {step.talk}"
            self._clients[step.talk] = self.portal.client(name, connector, line, external_id=f"p{step.talk}")
        return self._clients[step.talk]

    def _befalls(self, step: Step) -> None:
        faults = self.portal.faults
        match step.act:
            case "weather":
                lost, doubled, late, shuffled = WEATHER[step.to]
                faults.drop_probability, faults.duplicate_probability, faults.late_probability = lost, doubled, late
                faults.shuffle, faults.shuffle_window_s = shuffled > 0.0, shuffled
            case "kill":
                self.server.kill()
                self._mend_refresh()
            case "stop":
                self.server.stop()
            case "start":
                self.server.start()
            case "maintenance":
                faults.html(503, times=step.to)
            case "garbage":
                faults.garbage(step.to)
            case "cut off":
                faults.down = True
                faults.down = False
            case "history refused":
                faults.fail(HISTORY, "INTERNAL_SERVER_ERROR", 500, times=step.to)
            case "over the limit":
                faults.fail("batch", "QUERY_LIMIT_EXCEEDED", 503, times=step.to)
            case "tokens expire":
                self.portal.core.tokens.expire_access()
            case _:
                raise ValueError(step)

    def _mend_refresh(self) -> None:
        """A refresh token works once: one that was being spent in the moment of the kill asks for a new installation.

        The dead instance gets another pair, because a request of its last moment may still be on its way.
        """
        pair = self.portal.core.apps[CLIENT_ID].tokens()
        self.server.pretend_installed(access_token=pair.access_token, refresh_token=pair.refresh_token)


@contextmanager
def a_world(seed: int, *, fetching: bool) -> Iterator[World]:
    with SimulatedPortal(seed=seed, id_step=1 + seed % 2) as portal, tempfile.TemporaryDirectory() as folder:
        portal.core.queue.keep_bodies = False
        portal.add_user(31, "Мария Сидорова", position="Старший менеджер", gender="F")
        portal.add_user(33, "Пётр О’Нил")
        portal.add_line("Поддержка", line_id=4, queue=[31, 33])
        portal.add_line("Без бота", line_id=5, queue=[33])
        clock = SharedClock(portal, Path(folder, "clock"))
        mode = {"B24BOT_EVENT_MODE": "fetch"} if fetching else {}
        with at_work(portal, env=clock.env | mode) as (_, server):
            if fetching:
                portal.core.handlers.clear()  # nothing reaches this server
            attach_by_hand(portal, 4)
            portal.line(4).fields["WELCOME_BOT_LEFT"] = "queue"
            yield World(portal, server, clock)


def do_what_is_due(world: World) -> None:
    """Time passes faster than it does for us, so that what failed before is tried again soon."""
    server = world.server
    # A reader who wants the newest wakes the worker, which looks at the clock by itself every 5 s only.
    server.get(f"/api/dialogs/{world.portal.chats[-1].chat_id}?refresh=1", **BEARER)

    def is_done() -> bool:
        world.clock.advance(1.0)
        return not status(server)["outbox"]["waiting"]

    try:
        until(is_done, 120)
    except AssertionError:
        jobs = server.sql("SELECT kind, payload, attempts, due_at, last_error FROM outbox ORDER BY due_at LIMIT 5")
        raise AssertionError(f"still due: {status(server)['outbox']}, {jobs}") from None


def outcome(plan: Plan, seed: int, *, fetching: bool = False) -> dict[int, list[str]]:
    """Plays a plan, then leaves the portal in peace; what is wrong in the end, by chat (0: not in one chat)."""
    with a_world(seed, fetching=fetching) as world:
        portal, server = world.portal, world.server
        follower = Follower(server)
        follower.start()
        world.play(plan)
        portal.faults.clear()
        assert portal.wait_quiet(60)
        truth = Truth(portal, server, world.texts)
        wrong: dict[int, list[str]] = {}
        for pause_s in QUIET_S:
            world.clock.advance(pause_s)
            do_what_is_due(world)
            wrong = truth.differences()
            if not wrong:
                break
        follower.stop()
        follower.catch_up()
        rest = [*of_the_copy(follower.copy, truth.archived), *of_the_search(server, truth.archived)]
        if buried := status(server)["outbox"]["buried"]:
            why = server.sql("SELECT kind, payload, attempts, last_error FROM outbox WHERE buried_at IS NOT NULL")
            rest.append(f"given up: {buried}, {why[:5]}")
        if waiting := [s.session_id for s in portal.core.sessions.values() if s.bot_phase]:
            rest.append(f"sessions {waiting} were never handed over")
        server.stop()
        if integrity(server) != "ok":
            rest.append("the database is damaged")
        return wrong | ({0: rest} if rest else {})


def of_the_copy(copy: dict[int, dict[str, Any]], archived: dict[int, dict[str, Any]]) -> Iterator[str]:
    for message_id in copy.keys() ^ archived.keys():
        yield f"message {message_id} is not both in the archive and in the follower's copy"
    for message_id in copy.keys() & archived.keys():
        if copy[message_id] != archived[message_id]:
            yield f"the follower has {copy[message_id]}, the archive {archived[message_id]}"


def of_the_search(server: Server, archived: dict[int, dict[str, Any]]) -> Iterator[str]:
    """Every message has a word of its own; some of them are looked up."""
    words = {message_id: re.search(r"[а-яё]+\d+x\d+y\d+", row["text"]) for message_id, row in archived.items()}
    sample = [(message_id, word[0]) for message_id, word in words.items() if word]
    for message_id, word in sample[:: max(1, len(sample) // 25)]:

        def ids(word: str = word) -> list[int]:
            found = server.api(f"/api/search?q={quote(word)}")["messages"]
            return [row["message_id"] for row in found]

        try:
            until(lambda ids=ids, message_id=message_id: message_id in ids(), 10)
        except AssertionError:
            yield f"message {message_id} is not found by {word}"


def told(plan: Plan, seed: int, wrong: dict[int, list[str]]) -> str:
    """What failed, and after which steps at the latest."""
    lines = [f"chat {chat}: {line}" for chat, found in wrong.items() for line in found]
    return "\n".join(
        [f"B24BOT_WHOLE_SEED={seed}, {len(plan.doors)} conversations: {len(wrong)} chats differ", *lines[:30]]
    )


def beginning(plan: Plan, count: int) -> Plan:
    is_away = [step.act for step in plan.steps[:count] if step.talk == WORLD and step.act in ("kill", "stop", "start")]
    back = (Step(WORLD, "start"),) if is_away and is_away[-1] != "start" else ()
    return replace(plan, steps=plan.steps[:count] + back)


def shortest(plan: Plan, fails: Callable[[Plan], bool]) -> Plan:
    """A beginning of the plan that fails, by halving; as far as NARROWING_S allows."""
    end = time.monotonic() + NARROWING_S
    good, bad = 0, len(plan.steps)
    while bad - good > 1 and time.monotonic() < end:
        middle = (good + bad) // 2
        if fails(beginning(plan, middle)):
            bad = middle
        else:
            good = middle
    return beginning(plan, bad)


def check(seed: int, talks: int, *, fetching: bool = False) -> None:
    whole = plan(seed, talks)
    wrong = outcome(whole, seed, fetching=fetching)
    if not wrong:
        return
    short = shortest(whole, lambda part: bool(outcome(part, seed, fetching=fetching)))
    last = "\n".join(map(str, short.steps[-12:]))
    pytest.fail(
        f"{told(whole, seed, wrong)}\nThe first {len(short.steps)} of {len(whole.steps)} steps fail; the last:\n{last}"
    )


@pytest.mark.parametrize("seed", LONG_SEEDS)
def test_after_quiet_the_archive_equals_the_history_of_the_portal(seed: int) -> None:
    check(seed, TALKS)


@pytest.mark.parametrize("seed", SEEDS)
def test_so_it_does_when_events_are_fetched(seed: int) -> None:
    check(seed, TALKS // 10, fetching=True)
