"""Everything that is written once for all channels, over a real instance with a tiny messenger."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from python_bot.simulator import SimulatedPortal
from python_bot.simulator.model import Message
from tests.instance.tools import BEARER, at_work, wait_idle
from tests.support import Server, until
from tests.support.server import ROOT
from tests.support.tiny import Postbox

ENV = {
    "B24BOT_CHANNELS": "tiny=tests.support.tiny",
    "PYTHONPATH": str(ROOT),
    "B24_HANDLER_SECRET": "handler-secret-of-the-tests-01",
}
CONNECTOR = "b24bot_acme_tiny1"
HOOK = "/api/webhooks/tiny/messages/1/hook-secret-0123456789"
IN_DOUBT = "SELECT 1 FROM channel_messages WHERE status IN ('waiting', 'sending')"
World = tuple[SimulatedPortal, Server, Postbox]


@contextmanager
def connected(line_id: int | None = 3, **portal: Any) -> Iterator[World]:
    """An instance with one account of the tiny messenger on a line."""
    with Postbox() as box, SimulatedPortal(**portal) as simulated, at_work(simulated, env=ENV) as (_, server):
        secrets = {**box.secrets, "webhook_secret": "hook-secret-0123456789"}
        body = json.dumps({**secrets, "line_id": line_id}).encode()
        made = server.request("POST", "/api/channels/tiny/accounts", body, **BEARER)
        assert made.status == 201, made.text
        assert made.json["connector_id"] == CONNECTOR
        assert box.token not in made.text and "hook-secret" not in made.text
        wait_idle(server)
        yield simulated, server, box


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    """One for the tests that each use chats of their own."""
    with connected() as found:
        yield found


def messages(portal: SimulatedPortal, chat: str, *, system: bool = False) -> list[Message]:
    """What the portal shows of a tiny chat, its own notices left out."""
    return [
        message
        for found in portal.chats
        if found.external_chat_id == f"tiny:{chat}"
        for message in found.messages
        if message.system is system and (not system or message.params.get("CONNECTOR_MID"))
    ]


def texts(portal: SimulatedPortal, chat: str, *, system: bool = False) -> list[str]:
    return [message.text for message in messages(portal, chat, system=system)]


def portal_chat(portal: SimulatedPortal, chat: str) -> int:
    return next(found.chat_id for found in portal.chats if found.external_chat_id == f"tiny:{chat}")


def begin(portal: SimulatedPortal, box: Postbox, chat: str, text: str = "Good day!") -> int:
    """A client writes; the portal's chat, once it is there."""
    box.happens(chat, text)
    until(lambda: texts(portal, chat) == [text], what="the portal has it")
    return portal_chat(portal, chat)


def test_a_client_writes_an_operator_answers_and_both_arrive(world: World) -> None:
    portal, server, box = world
    chat_id = begin(portal, box, "anna")
    answer = portal.operator(27).writes(chat_id, "Hello, Anna")
    until(lambda: box.texts("anna"), what="the client has it")
    assert box.texts("anna") == ["[b]Иван Петров:[/b] \nHello, Anna"]
    until(lambda: answer.delivered_as, what="the portal knows that it was delivered")
    assert answer.delivered_as == [row["id"] for row in box.sent if row["chat"] == "tiny:anna"]
    until(lambda: "tiny:anna" in box.read, what="the client sees that it was read")
    wait_idle(server)
    found = server.sql("SELECT status FROM channel_messages WHERE chat_id = 'tiny:anna' ORDER BY id")
    assert found == [("sent",), ("delivered",)]
    assert json.dumps(server.log()).count(box.token) == 0


def test_changes_are_carried_over_both_ways(world: World) -> None:
    portal, server, box = world
    chat_id = begin(portal, box, "bert", "One")
    first = box.updates[-1]["id"]
    box.happens("bert", "One, corrected", what="edit", id=first)
    until(lambda: texts(portal, "bert") == ["One, corrected"], what="the portal has the correction")
    answer = portal.operator(27).writes(chat_id, "A\n---\nB")
    until(lambda: answer.delivered_as, what="it was delivered")
    ids = list(answer.delivered_as)
    assert len(ids) == 2
    portal.operator(27).edits(answer, "C\n---\nD\n---\nE")
    until(lambda: len(box.edits) == 2 and len(box.texts("bert")) == 3, what="the client has the correction")
    assert [(edit["id"], edit["text"]) for edit in box.edits] == [(ids[0], "C"), (ids[1], "D")]
    portal.operator(27).deletes(answer)
    until(lambda: len(box.deleted) == 3, what="it is taken back")
    box.happens("bert", what="delete", id=first)
    until(lambda: messages(portal, "bert")[0].deleted_at, what="the portal deletes it")
    wait_idle(server)


def test_an_album_is_one_message_with_its_files(world: World) -> None:
    portal, server, box = world
    box.files |= {"a.txt": "first", "б.txt": "second"}
    box.happens("carl", "Look", album="7", files=["a.txt"])
    box.happens("carl", "", album="7", files=["б.txt"])
    box.happens("carl", "and an answer, please")
    until(lambda: len(texts(portal, "carl")) == 2, what="the portal has all of it")
    album, after = messages(portal, "carl")
    assert (album.text, after.text) == ("Look", "and an answer, please")
    assert [(file.name, file.content) for file in album.files] == [("a.txt", b"first"), ("б.txt", b"second")]
    links = [url for call in portal.calls_of("imconnector.send.messages") for url in urls(call.params)]
    assert links and box.token not in json.dumps(links)
    with urllib.request.urlopen(links[-1]) as answer:
        assert answer.read() == b"second"
        assert answer.headers["Content-Disposition"].startswith("attachment;")
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert server.get(f"/channel-files/{links[-1].rpartition('/')[2][:-3]}abc").status == 404


def urls(params: Any) -> list[str]:
    if isinstance(params, dict):
        found = [params["url"]] if str(params.get("url", "")).startswith("http") and "name" in params else []
        return found + [url for value in params.values() for url in urls(value)]
    return [url for value in params for url in urls(value)] if isinstance(params, list) else []


def test_what_never_will_arrive_is_told_to_the_operator(world: World) -> None:
    portal, server, box = world
    chat_id = begin(portal, box, "dora")
    box.refuse = [403]
    answer = portal.operator(27).writes(chat_id, "Hello?")
    until(lambda: texts(portal, "dora", system=True), what="the operator is told")
    assert texts(portal, "dora", system=True) == ["Клиенту не доставлено: Tiny: not now"]
    wait_idle(server)
    assert (answer.delivered_as, box.texts("dora")) == ([], [])
    box.happens("dora", what="blocked")
    until(lambda: len(texts(portal, "dora", system=True)) == 2, what="the operator is told of the block")
    assert server.sql("SELECT state FROM channel_chats WHERE chat_id = 'tiny:dora'") == [("blocked",)]


def test_what_is_refused_for_a_while_arrives_later_and_once(world: World) -> None:
    portal, _, box = world
    chat_id = begin(portal, box, "emil")
    box.refuse = [500, 503]
    answer = portal.operator(27).writes(chat_id, "Patience")
    second = portal.operator(27).writes(chat_id, "is a virtue")
    until(lambda: answer.delivered_as and second.delivered_as, what="both were delivered")
    assert [text.rpartition("\n")[2] for text in box.texts("emil")] == ["Patience", "is a virtue"]


def test_a_lost_answer_is_looked_up_and_not_sent_again(world: World) -> None:
    portal, _, box = world
    chat_id = begin(portal, box, "fred")
    box.drop_after = 1
    answer = portal.operator(27).writes(chat_id, "Only once")
    until(lambda: answer.delivered_as, what="it was delivered")
    assert len(box.texts("fred")) == 1


def test_what_a_colleague_writes_in_the_messenger_is_shown_and_our_own_words_are_not(world: World) -> None:
    portal, server, box = world
    chat_id = begin(portal, box, "gina")
    answer = portal.operator(27).writes(chat_id, "From the portal")
    until(lambda: answer.delivered_as, what="it was delivered")
    box.happens("gina", "From the portal", by="staff", id=answer.delivered_as[0])
    box.happens("gina", "From the telephone", by="staff")
    until(lambda: texts(portal, "gina", system=True), what="the colleague's words are shown")
    wait_idle(server)
    assert texts(portal, "gina", system=True) == ["From the telephone"]
    assert len(box.texts("gina")) == 1


def test_the_client_reads_and_the_portal_is_told(world: World) -> None:
    portal, _, box = world
    chat_id = begin(portal, box, "hans")
    answer = portal.operator(27).writes(chat_id, "Read me")
    until(lambda: answer.delivered_as, what="it was delivered")
    box.happens("hans", what="read", at=4102444800)
    until(lambda: portal.calls_of("imconnector.send.status.reading"), what="the portal is told")
    call = portal.calls_of("imconnector.send.status.reading")[-1]
    assert str(call.params["MESSAGES"][0]["im"]["message_id"]) == str(answer.message_id)


def test_a_webhook_and_a_poll_that_tell_the_same_are_one(world: World) -> None:
    portal, server, box = world
    chat_id = begin(portal, box, "ida")
    again = json.dumps({"updates": [row for row in box.updates if row["chat"] == "ida"]}).encode()
    for _ in range(3):
        assert server.request("POST", HOOK, again).status == 200
    other = {**box.updates[-1], "number": 10_000, "text": "by the hook"}  # another key, the same message
    assert server.request("POST", HOOK, json.dumps({"updates": [other]}).encode()).status == 200
    assert server.request("POST", HOOK, b"{}").status == 200
    assert server.request("POST", HOOK, b"{").status == 400
    for wrong in (HOOK[:-1], f"{HOOK}x", HOOK.replace("/1/", "/2/"), HOOK.replace("tiny", "avito")):
        assert server.request("POST", wrong, again).status == 404
    assert server.request("POST", "/tg/webhook", again).status == 403
    wait_idle(server)
    assert texts(portal, "ida") == ["Good day!"]
    assert portal.chat(chat_id).messages


def test_events_of_connectors_come_by_an_address_with_a_secret(world: World) -> None:
    portal, server, _ = world
    bound = {call.params["handler"] for call in portal.calls_of("event.bind") if "CONNECTOR" in call.params["event"]}
    assert bound == {f"{server.url}/b24/handler?secret={ENV['B24_HANDLER_SECRET']}"}
    assert server.request("POST", "/b24/handler?secret=wrong", b"event=ONIMCONNECTORMESSAGEADD").status == 403
    assert server.request("POST", "/b24/handler", b"event=ONIMCONNECTORMESSAGEADD").status == 403
    journal = (server.home / "dialogs.db").read_bytes() + (server.home / "dialogs.db-wal").read_bytes()
    assert ENV["B24_HANDLER_SECRET"].encode() not in journal


def test_a_line_that_forgot_us_is_connected_again(world: World) -> None:
    portal, _, box = world
    begin(portal, box, "jana")
    portal.core.connectors[CONNECTOR].active_lines.clear()
    box.happens("jana", "Still there?")
    until(lambda: texts(portal, "jana") == ["Good day!", "Still there?"], what="the portal has it")


def test_what_the_portal_took_before_it_stumbled_is_shown_once(world: World) -> None:
    portal, server, box = world
    begin(portal, box, "lena", "0")
    for number, (code, status) in enumerate((("INTERNAL_SERVER_ERROR", 500), ("ERROR_CORE", 400)), 1):
        portal.faults.stumble("imconnector.send.messages", code, status)
        box.happens("lena", str(number))
        until(lambda number=number: texts(portal, "lena")[-1] == str(number), what="the portal has it")
        until(lambda: not server.sql(IN_DOUBT), what="we know that it has it")
    assert texts(portal, "lena") == ["0", "1", "2"]
    assert server.sql("SELECT line_problem FROM channel_accounts") == [("",)]


def test_the_first_words_of_a_chat_are_looked_for_though_no_event_told_of_it(world: World) -> None:
    portal, server, box = world
    begin(portal, box, "nora")
    wait_idle(server)
    portal.faults.drop_probability = 1.0
    portal.faults.stumble("imconnector.send.messages")
    box.happens("mila", "0")
    until(lambda: texts(portal, "mila"), what="the portal has it")
    until(lambda: not server.sql(IN_DOUBT), what="we know that it has it")
    portal.faults.drop_probability = 0.0
    box.happens("mila", "1")
    until(lambda: "1" in texts(portal, "mila"), what="the portal has the next one")
    assert texts(portal, "mila") == ["0", "1"]


def test_an_account_that_lost_its_line_keeps_what_comes_until_it_has_one(world: World) -> None:
    portal, server, box = world
    begin(portal, box, "kurt")
    portal.disconnect(CONNECTOR, 3)
    until(lambda: server.sql("SELECT line_id FROM channel_accounts") == [(None,)], what="the line is known to be lost")
    assert "line 3" in server.sql("SELECT line_problem FROM channel_accounts")[0][0]
    (told,) = server.api("/api/admin/status")["channels"]
    assert (told["state"], told["line_id"], told["name"]) == ("working", None, "Our box")
    assert "line 3" in told["line_problem"]
    box.happens("kurt", "Into the void?")
    waiting = "SELECT COUNT(*) FROM channel_messages WHERE status = 'waiting'"
    until(lambda: server.sql(waiting) == [(1,)], what="it is kept")
    assert texts(portal, "kurt") == ["Good day!"]
    assert server.api("/api/admin/status")["channels"][0]["waiting"] == 1
    app = next(iter(portal.core.apps.values()))
    opened = app.open(placement="SETTING_CONNECTOR", options={"CONNECTOR": CONNECTOR, "LINE": "3"})
    assert server.post_event(opened.body.encode(), opened.url.removeprefix(server.url)).status == 200
    until(lambda: texts(portal, "kurt") == ["Good day!", "Into the void?"], what="it comes when the line is back")
