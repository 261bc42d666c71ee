"""Every dialog reaches a person at once: one call a session, in batches when many come, before all other work."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator

import pytest

from python_bot.simulator import Client, SimulatedPortal
from tests.instance.tools import (
    BEARER,
    adopt,
    altered,
    at_work,
    client_message,
    handover_calls,
    install_event,
    join,
    log_text,
    status,
    wait_idle,
)
from tests.support import Server, until, vector

OPERATOR = "imopenlines.bot.session.operator"
TRANSFER = "imopenlines.bot.session.transfer"
numbers = itertools.count(1)


@pytest.fixture(scope="module")
def shared() -> Iterator[tuple[SimulatedPortal, Server]]:
    with at_work() as pair:
        yield pair


@pytest.fixture
def working() -> Iterator[tuple[SimulatedPortal, Server]]:
    with at_work() as pair:
        yield pair


def new_client(portal: SimulatedPortal) -> Client:
    number = next(numbers)
    return portal.client(f"Клиент {number}", external_id=f"c{number}")


def by_us(portal: SimulatedPortal, *clients: Client) -> bool:
    return all(client.chat.session.handed_over_by == "rest" for client in clients)


def handed_over_at(server: Server, chat_id: int) -> str | None:
    """None too while nothing of the dialog is archived."""
    answer = server.get(f"/api/dialogs/{chat_id}", **BEARER)
    found: str | None = answer.json["dialog"]["handed_over_at"] if answer.status == 200 else None
    return found


# --- once a session -------------------------------------------------------------------------------------------


def test_a_session_is_handed_over_exactly_once_however_much_is_said(shared: tuple[SimulatedPortal, Server]) -> None:
    portal, server = shared
    client = new_client(portal)
    for number in range(8):
        client.writes(f"Сообщение {number}")
    chat_id = client.chat.chat_id
    until(lambda: handed_over_at(server, chat_id), what="the archive knows of the hand-over")
    portal.operator(27).writes(chat_id, "Слушаю вас")
    client.writes("Ещё одно")
    portal.wait_quiet()
    wait_idle(server)
    assert len(handover_calls(portal, chat_id)) == 1
    assert by_us(portal, client)


def test_the_call_leaves_within_a_blink(shared: tuple[SimulatedPortal, Server]) -> None:
    portal, _ = shared
    took = []
    for _ in range(3):
        client = new_client(portal)
        client.writes("Быстро?")
        until(lambda client=client: portal.handed_over(client.chat.chat_id))  # type: ignore[misc]  # no type is inferred for a lambda's default
        took.append(portal.handover_times[client.chat.session.session_id])
    assert sorted(took)[1] < 0.5


def test_a_new_session_in_the_same_chat_is_handed_over_again(shared: tuple[SimulatedPortal, Server]) -> None:
    portal, server = shared
    client = new_client(portal)
    client.writes("Первое обращение")
    chat_id = client.chat.chat_id
    for session in (2, 3):
        until(lambda: portal.handed_over(chat_id))
        portal.operator(27).finishes(chat_id)
        portal.wait_quiet()
        client.writes(f"Обращение {session}")
        until(lambda session=session: len(handover_calls(portal, chat_id)) == session)  # type: ignore[misc]  # no type is inferred for a lambda's default
    until(lambda: portal.handed_over(chat_id))
    portal.wait_quiet()
    wait_idle(server)
    assert len(handover_calls(portal, chat_id)) == 3
    rows = server.api(f"/api/dialogs/{chat_id}")["sessions"]
    assert [row["session_id"] for row in rows] == [session.session_id for session in portal.sessions(chat_id)]


@pytest.mark.parametrize("shape", ["code", "docs"])
def test_a_new_session_is_noticed_even_when_the_end_of_the_former_one_was_lost(
    shape: str, working: tuple[SimulatedPortal, Server]
) -> None:
    portal, server = working
    portal.build.session_event_shape = shape
    client = new_client(portal)
    client.writes("Первое обращение")
    chat_id = client.chat.chat_id
    until(lambda: portal.handed_over(chat_id))
    portal.wait_quiet()
    portal.faults.drop_events(1, "ONSESSIONFINISH")
    portal.operator(27).finishes(chat_id)
    portal.wait_quiet()
    client.writes("Второе обращение")
    until(lambda: len(handover_calls(portal, chat_id)) == 2)
    portal.wait_quiet()
    wait_idle(server)
    assert len(handover_calls(portal, chat_id)) == 2 and portal.handed_over(chat_id)


SIGNS = {
    "join, message": (0, 1),
    "message, join": (1, 0),
    "message only": (1,),
    "join only": (0,),
    "start, message, join": (2, 1, 0),
    "message, start, join": (1, 2, 0),
    "join twice, message twice": (0, 0, 1, 1),
    "second message, join, first message": (3, 0, 1),
}


@pytest.mark.parametrize("order", SIGNS)
def test_the_signs_of_a_session_in_any_order_make_one_hand_over(
    order: str, shared: tuple[SimulatedPortal, Server]
) -> None:
    portal, server = shared
    number = 50_000 + 10 * next(numbers)
    now = str(int(time.time()))
    start = altered(
        vector("V10"),
        {
            "event": "ONSESSIONSTART",
            "data[DATA][chat][chat_id]": str(number),
            "data[DATA][connector][chat_id]": str(number),
            "ts": now,
        },
    )
    signs = (
        join(number, ts=now),
        client_message(2 * number, number, number, ts=now),
        start,
        client_message(2 * number + 1, number, number, "Вторая", ts=now),
    )
    for index in SIGNS[order]:
        assert server.post_event(signs[index]).status == 200
    until(lambda: handed_over_at(server, number), what="WRONG_CHAT of the unknown chat counts as handed over")
    wait_idle(server)
    assert len(handover_calls(portal, number)) == 1
    assert len(server.api(f"/api/dialogs/{number}")["sessions"]) == 1


@pytest.mark.parametrize("order", list(itertools.permutations(("join", "message", "finish"))))
def test_a_short_session_is_one_session_in_whatever_order_its_events_come(
    order: tuple[str, ...], shared: tuple[SimulatedPortal, Server]
) -> None:
    portal, server = shared
    number = 70_000 + 10 * next(numbers)
    began = int(time.time()) - 60
    finish = {"data[DATA][chat][chat_id]": str(number), "data[DATA][connector][chat_id]": str(number)}
    signs = {
        "join": join(number, ts=str(began)),
        "message": client_message(2 * number, number, number, ts=str(began + 1)),
        "finish": altered(vector("V10"), finish | {"ts": str(began + 30)}),
    }
    for name in order:
        assert server.post_event(signs[name]).status == 200
    until(lambda: handed_over_at(server, number))
    found = server.api(f"/api/dialogs/{number}")
    assert [row["session_id"] for row in found["sessions"]] == [number]
    assert found["dialog"]["status"] == "closed"
    assert len(handover_calls(portal, number)) == 1


def test_shuffled_and_doubled_events_still_make_one_hand_over_each(working: tuple[SimulatedPortal, Server]) -> None:
    portal, server = working
    portal.faults.shuffle, portal.faults.shuffle_window_s = True, 0.3
    portal.faults.duplicate_events(500)
    clients = [new_client(portal) for _ in range(20)]
    for client in clients:
        client.writes("Раз")
        client.writes("Два")
    until(lambda: all(portal.handed_over(client.chat.chat_id) for client in clients))
    portal.wait_quiet()
    wait_idle(server)
    for client in clients:
        assert len(handover_calls(portal, client.chat.chat_id)) == 1
        texts = [m["text"] for m in server.messages(client.chat.chat_id)]
        assert texts[:2] == ["Раз", "Два"]


def test_a_dialog_that_a_person_took_first_counts_as_handed_over(working: tuple[SimulatedPortal, Server]) -> None:
    portal, server = working
    portal.faults.delay_s = 0.3
    client = new_client(portal)
    client.writes("Кто быстрее?")
    portal.operator(27).answers(client.chat.chat_id)
    until(lambda: handover_calls(portal), what="the hand-over was tried")
    assert [call.error for call in portal.calls_of(OPERATOR)] == ["WRONG_CHAT"]
    until(lambda: handed_over_at(server, client.chat.chat_id), what="it counts as done")
    planned = {"discover": 1, "manifest": 1, "reconcile": 1}
    until(lambda: status(server)["outbox"] == {"waiting": {}, "planned": planned, "buried": {}})


# --- to whom --------------------------------------------------------------------------------------------------


def test_a_chosen_user_gets_the_dialogs_and_the_bot_goes_on_listening(portal: SimulatedPortal) -> None:
    portal.add_user(30, "Мария Выбранная")
    with at_work(portal, env={"B24BOT_HANDOVER": "user:30"}) as (_, server):
        client = new_client(portal)
        client.writes("Мне нужна Мария")
        chat_id = client.chat.chat_id
        until(lambda: client.chat.session.operator_id == 30, what="Mary has the dialog")
        (params,) = handover_calls(portal, chat_id)
        assert params["LEAVE"] == "N"
        said = portal.operator(30).writes(chat_id, "Я слушаю")
        until(lambda: said.message_id in [m["message_id"] for m in server.messages(chat_id)])


def test_the_queue_of_another_line_gets_the_dialogs(portal: SimulatedPortal) -> None:
    portal.add_user(31, "Пётр Складской")
    portal.add_line("Склад", 9, queue=[31])
    with at_work(portal, env={"B24BOT_HANDOVER": "queue:9"}):
        client = new_client(portal)
        client.writes("Есть на складе?")
        until(lambda: client.chat.session.operator_id == 31, what="the other line's queue has it")
        assert client.chat.session.line_id == 9


@pytest.mark.parametrize("target", ["user:999", "queue:999"])
@pytest.mark.parametrize("burst", [1, 5])
def test_a_target_that_takes_no_dialogs_falls_back_to_the_lines_own_queue(
    burst: int, target: str, portal: SimulatedPortal
) -> None:
    with at_work(portal, env={"B24BOT_HANDOVER": target}) as (_, server):
        clients = [new_client(portal) for _ in range(burst)]
        for client in clients:
            client.writes("Есть кто?")
        until(lambda: all(client.chat.session.operator_id == 27 for client in clients), what="the own queue has them")
        assert by_us(portal, *clients)
        assert target.split(":")[1] in log_text(server)
        assert status(server)["outbox"]["buried"] == {}


# --- many at once, before everything else ---------------------------------------------------------------------


def test_two_hundred_dialogs_at_once_are_packed_and_no_request_is_refused(
    working: tuple[SimulatedPortal, Server],
) -> None:
    portal, server = working
    before = len([call for call in portal.calls if not call.in_batch])
    clients = [new_client(portal) for _ in range(200)]
    for client in clients:
        client.writes("Все сразу")
    started = min(client.chat.session.started_at for client in clients)
    until(lambda: all(portal.handed_over(client.chat.chat_id) for client in clients), 20, what="everybody is served")
    last = max(client.chat.session.handed_over_at or 0.0 for client in clients)
    assert last - started < 12
    assert by_us(portal, *clients)
    assert portal.limits.refused == 0
    requests = [call for call in portal.calls if not call.in_batch][before:]
    assert len(requests) <= 20
    assert all(call.status == 200 for call in requests)
    portal.wait_quiet()
    wait_idle(server)
    assert len(handover_calls(portal)) == 200


def test_hand_overs_go_before_all_other_work(working: tuple[SimulatedPortal, Server]) -> None:
    portal, server = working
    app = next(iter(portal.core.apps.values()))
    # Other work for a minute at 2 requests a second: sessions to reconcile and a set-up.
    for number in range(60_000, 60_300):
        body = altered(
            vector("V11"), {"data[DATA][0][chat][id]": str(number), "data[DATA][0][session][id]": str(number)}
        )
        assert server.post_event(body).status == 200
    server.post_event(install_event(portal, app.access_token()))
    until(lambda: len(portal.calls_of("imopenlines.session.history.get")) > 20, what="the other work has begun")
    for _ in range(3):
        client = new_client(portal)
        client.writes("Я важнее")
        until(lambda client=client: portal.handed_over(client.chat.chat_id), 2)  # type: ignore[misc]  # no type is inferred for a lambda's default
    assert status(server)["outbox"]["waiting"].get("reconcile", 0) > 0


# --- a portal that is away ------------------------------------------------------------------------------------


def test_a_portal_that_is_down_only_delays_and_the_recovery_is_quick(working: tuple[SimulatedPortal, Server]) -> None:
    portal, server = working
    clients = [new_client(portal) for _ in range(10)]
    portal.faults.down = True
    for client in clients:
        client.writes("Алло?")
    portal.wait_quiet()
    until(lambda: status(server)["outbox"]["waiting"].get("handover") == 10, what="ten hand-overs wait")
    until(lambda: "failed (try 3)" in log_text(server), what="they were tried three times")
    portal.faults.down = False
    back = time.monotonic()
    until(lambda: all(portal.handed_over(client.chat.chat_id) for client in clients), 20)
    assert time.monotonic() - back < 8
    assert by_us(portal, *clients)


def test_jobs_survive_a_restart_and_a_sigkill(working: tuple[SimulatedPortal, Server]) -> None:
    portal, server = working
    portal.faults.down = True
    clients = [new_client(portal) for _ in range(4)]
    for client, end in zip(clients, ("stop", "kill", "stop", "kill"), strict=True):
        client.writes("Не потеряйте меня")
        portal.wait_quiet()
        getattr(server, end)()
        server.start()
    assert status(server)["outbox"]["waiting"]["handover"] == 4
    portal.faults.down = False
    until(lambda: all(portal.handed_over(client.chat.chat_id) for client in clients), 30)
    assert by_us(portal, *clients)
    for client in clients:
        assert len(handover_calls(portal, client.chat.chat_id)) == 1


def test_a_lease_of_a_dead_process_is_taken_over_at_once(working: tuple[SimulatedPortal, Server]) -> None:
    portal, server = working
    portal.faults.hang = True
    client = new_client(portal)
    client.writes("Повиси на линии")
    until(lambda: server.sql("SELECT 1 FROM outbox WHERE kind = 'handover' AND claimed_until > 0"))
    server.kill()
    portal.faults.hang = False
    server.start()
    until(lambda: portal.handed_over(client.chat.chat_id), 10)
    assert by_us(portal, client)


def test_a_job_that_is_given_up_is_buried_where_one_sees_it(working: tuple[SimulatedPortal, Server]) -> None:
    portal, server = working
    portal.faults.fail(OPERATOR, "SOMETHING_FINAL", 400, times=1, description="никогда")
    client = new_client(portal)
    client.writes("Что будет со мной?")
    until(lambda: status(server)["outbox"]["buried"] == {"handover": 1}, what="the job is buried")
    assert server.metric('b24bot_outbox_buried{kind="handover"}') == 1
    (session,) = server.api(f"/api/dialogs/{client.chat.chat_id}")["sessions"]
    assert session["handover"] == "failed" and "SOMETHING_FINAL" in session["handover_error"]
    assert "gave up handover" in log_text(server)
    other = new_client(portal)
    other.writes("А со мной?")
    until(lambda: portal.handed_over(other.chat.chat_id))


def test_one_bad_dialog_of_a_batch_holds_up_no_other(working: tuple[SimulatedPortal, Server]) -> None:
    portal, server = working
    portal.faults.down = True
    clients = [new_client(portal) for _ in range(6)]
    for client in clients:
        client.writes("Вместе")
    portal.wait_quiet()
    portal.faults.fail(OPERATOR, "SOMETHING_FINAL", 400, times=1)
    portal.faults.down = False
    until(lambda: sum(portal.handed_over(client.chat.chat_id) for client in clients) == 5, 20)
    planned = {"discover": 1, "manifest": 1, "reconcile": 6}
    until(lambda: status(server)["outbox"] == {"waiting": {}, "planned": planned, "buried": {"handover": 1}})


# --- the switch -----------------------------------------------------------------------------------------------


def test_a_disabled_instance_archives_and_calls_nobody_until_it_is_enabled(
    working: tuple[SimulatedPortal, Server],
) -> None:
    portal, server = working
    server.api("/api/admin/disable", "POST")
    before = len(portal.calls)
    clients = [new_client(portal) for _ in range(3)]
    for client in clients:
        client.writes("Записано?")
    portal.wait_quiet()
    portal.operator(27).finishes(clients[0].chat.chat_id)
    portal.wait_quiet()
    assert [m["text"] for m in server.messages(clients[1].chat.chat_id)][:1] == ["Записано?"]
    server.stop()
    server.start()  # stays disabled
    assert status(server)["enabled"] is False
    until(lambda: server.metric("b24bot_enabled") == 0)
    time.sleep(2)  # nothing happens: there is no condition to wait for
    assert len(portal.calls) == before
    assert status(server)["outbox"]["waiting"]["handover"] == 3
    server.api("/api/admin/enable", "POST")
    until(lambda: all(portal.handed_over(client.chat.chat_id) for client in clients))
    wait_idle(server)
    assert by_us(portal, *clients[1:])


def test_a_disabled_instance_does_not_refresh_confirm_or_exchange(portal: SimulatedPortal) -> None:
    server = Server(portal)
    app = adopt(portal, server)
    (server.home / "DISABLED").touch()
    portal.core.tokens.expire_access()
    with server:
        server.post_event(install_event(portal, app.access_token()))
        server.post_event(join(1763))
        code = portal.authorization_code(app)
        server.get(f"/python_bot/?code={code}&domain={portal.host}")
        time.sleep(1.5)  # nothing happens: there is no condition to wait for
        assert portal.calls == []
        assert not any(grant.spent for grant in portal.core.tokens.refresh.values())
