"""The portal brought into the wanted state (ensure): safe to repeat, read back, refusals told plainly."""

from __future__ import annotations

import time
from typing import Any

import pytest

from python_bot.bitrix.ensure import BOUND_EVENTS
from python_bot.simulator import App, SimulatedPortal
from python_bot.simulator.model import Bot, User
from tests.instance.tools import adopt, at_work, client_message, install_event, status, wait_idle
from tests.support import Server, free_port, until
from tests.support.payloads import CLIENT_ID

SET_UP = {"profile", "imbot.register", "imbot.update", "event.bind", "imopenlines.config.update", "event.test"}
FIVE = ("WELCOME_BOT_ENABLE", "WELCOME_BOT_ID", "WELCOME_BOT_JOIN", "WELCOME_BOT_TIME", "WELCOME_BOT_LEFT")


def set_up(portal: SimulatedPortal, **env: str) -> Server:
    """An instance of this portal, ready to be started."""
    server = Server(portal, env=env)
    adopt(portal, server)
    return server


def bot_fields(portal: SimulatedPortal, line_id: int) -> tuple[str, ...]:
    return tuple(portal.line(line_id).fields[name] for name in FIVE)


def attached(bot_id: int) -> tuple[str, ...]:
    return ("Y", str(bot_id), "always", "60", "close")


def bound(portal: SimulatedPortal) -> list[tuple[str, str]]:
    return sorted((handler.event, handler.url) for handler in portal.core.handlers if handler.owner == CLIENT_ID)


def settled(server: Server) -> dict[str, Any]:
    """The report of a finished set-up."""
    until(lambda: status(server)["portal"], what="the set-up has reported")
    wait_idle(server)
    found: dict[str, Any] = status(server)["portal"]
    return found


def restarted(server: Server) -> dict[str, Any]:
    before = status(server)["portal"]["ensured_at"]
    server.stop()
    until(lambda: int(time.time()) > before)
    server.start()
    until(lambda: status(server)["portal"]["ensured_at"] > before, what="the set-up was repeated")
    return settled(server)


def add_other_bot(portal: SimulatedPortal, code: str = "foreign", bot_id: int = 500) -> None:
    core = portal.core
    core.apps["local.other"] = App(core, "local.other", "s", "t", "http://other.example/", ("imbot",), "api", 1, True)
    core.bots[bot_id] = Bot(bot_id, code, "Чужой бот", "local.other", True, "O")
    core.users[bot_id] = User(bot_id, "Чужой бот", bot=True)


# --- the bot and its handlers ---------------------------------------------------------------------------------


def test_the_bot_and_its_handlers_stay_single_over_restarts_and_installations(portal: SimulatedPortal) -> None:
    with at_work(portal, set_lines=True) as (_, server):
        app = next(iter(portal.core.apps.values()))
        first = bound(portal)
        assert len(first) == len(set(first))
        assert {url for _, url in first} == {server.handler_url}
        restarted(server)
        server.kill()
        server.start()
        settled(server)
        for _ in range(2):
            server.post_event(install_event(portal, app.access_token()))
            wait_idle(server)
        assert bound(portal) == first
        assert len(portal.core.bots) == 1
        assert bot_fields(portal, 3) == attached(597)
        message = portal.client("Анна").writes("Один раз")
        until(lambda: portal.handed_over(message.chat_id))
        portal.wait_quiet()
        assert len([d for d in portal.deliveries if d.message_id == message.message_id]) == 2  # the bot's, the line's


def test_a_new_name_reaches_the_bot_that_is_there(portal: SimulatedPortal) -> None:
    with at_work(portal) as (_, server):
        server.stop()
        server.env["B24BOT_BOT_NAME"] = "Архивариус «Ёлка» 👍"
        server.start()
        until(lambda: portal.core.bots[597].name == "Архивариус «Ёлка» 👍", what="the bot is renamed")
        assert len(portal.core.bots) == 1


def test_handlers_move_when_the_public_url_changes(portal: SimulatedPortal) -> None:
    with at_work(portal) as (_, server):
        former = bound(portal)
        server.stop()
        server.port = free_port()
        server.url = f"http://127.0.0.1:{server.port}"
        server.handler_url = f"{server.url}/moved/python_bot/"
        server.env |= {"PORT": str(server.port), "B24BOT_PUBLIC_URL": server.handler_url}
        server.start()
        until(lambda: {url for _, url in bound(portal)} == {server.handler_url}, what="all handlers have moved")
        assert [event for event, _ in bound(portal)] == [event for event, _ in former]
        wait_idle(server)
        message = portal.client("Анна").writes("По новому адресу")
        until(lambda: portal.handed_over(message.chat_id))


def test_handlers_of_others_in_the_same_portal_stay(portal: SimulatedPortal) -> None:
    add_other_bot(portal)
    portal.core.bind("local.other", "ONAPPUPDATE", "http://other.example/")
    with at_work(portal):
        assert ("ONAPPUPDATE", "http://other.example/") in [(h.event, h.url) for h in portal.core.handlers]


def test_a_code_that_belongs_to_another_application_is_noticed_and_avoided(portal: SimulatedPortal) -> None:
    add_other_bot(portal, code="b24bot_acme")
    with set_up(portal) as server:
        report = settled(server)
        assert report["bot_id"] not in (0, 500)
        assert report["bot_code"].startswith("b24bot_acme") and report["bot_code"] != "b24bot_acme"
        assert portal.core.bots[500].name == "Чужой бот"
        assert bot_fields(portal, 3) == attached(report["bot_id"])
        assert restarted(server)["bot_id"] == report["bot_id"]
        assert len(portal.core.bots) == 2


def test_a_portal_that_answers_bot_ids_as_text_is_understood(portal: SimulatedPortal) -> None:
    portal.build.bot_id_as_text = True
    with at_work(portal) as (_, server):
        assert restarted(server)["bot_id"] == 597


def test_a_bot_that_somebody_removed_comes_back_on_its_lines(portal: SimulatedPortal) -> None:
    with at_work(portal, set_lines=True) as (_, server):
        portal.delete_bot(597)
        until(lambda: status(server)["portal"]["bot_id"] == 598, what="a new bot is registered")
        settled(server)
        assert bot_fields(portal, 3) == attached(598)


def test_an_event_during_the_set_up_that_asks_for_another_one_is_not_forgotten(portal: SimulatedPortal) -> None:
    with at_work(portal) as (_, server):
        server.stop()
        portal.faults.latency_s = 0.6
        server.start()
        until(lambda: server.sql("SELECT 1 FROM outbox WHERE kind = 'ensure' AND claimed_until > 0"))
        until(lambda: "imbot.update" in [c.method for c in portal.calls][-3:] or portal.calls_of("event.get")[1:])
        portal.delete_bot(597)
        portal.wait_quiet()
        portal.faults.latency_s = 0.0
        wait_idle(server)
        assert status(server)["portal"]["bot_id"] in portal.core.bots


# --- lines ----------------------------------------------------------------------------------------------------


def test_none_leaves_every_line_as_it_is(portal: SimulatedPortal) -> None:
    portal.add_line("Поддержка", 7)
    before = [bot_fields(portal, n) for n in (3, 7)]
    with set_up(portal, B24BOT_LINES="none") as server:
        report = settled(server)
        assert [bot_fields(portal, n) for n in (3, 7)] == before
        assert report["lines"] == {} and report["problems"] == []
        assert not portal.calls_of("imopenlines.config.update")


def test_named_lines_get_all_five_fields_in_one_call_and_are_read_back(portal: SimulatedPortal) -> None:
    portal.add_line("Поддержка", 7)
    portal.add_line("Склад", 9)
    with set_up(portal, B24BOT_LINES="3, 9") as server:
        report = settled(server)
        assert bot_fields(portal, 3) == bot_fields(portal, 9) == attached(report["bot_id"])
        assert bot_fields(portal, 7)[0] == "N"
        assert {n: line["state"] for n, line in report["lines"].items()} == {"3": "attached", "9": "attached"}
        for call in portal.calls_of("imopenlines.config.update"):
            assert set(FIVE) <= set(call.params["PARAMS"])
        assert len(portal.calls_of("imopenlines.config.get")) == 2


def test_a_line_that_does_not_exist_is_named_in_the_report(portal: SimulatedPortal) -> None:
    with set_up(portal, B24BOT_LINES="3,44") as server:
        report = settled(server)
        assert any("44" in problem for problem in report["problems"])
        assert bot_fields(portal, 3) == attached(report["bot_id"])


def test_all_takes_every_line_but_evicts_no_other_bot(portal: SimulatedPortal) -> None:
    add_other_bot(portal)
    portal.add_line("Поддержка", 7).fields.update({"WELCOME_BOT_ENABLE": "Y", "WELCOME_BOT_ID": "500"})
    portal.add_line("Склад", 9).fields.update({"WELCOME_BOT_ENABLE": "N", "WELCOME_BOT_ID": "500"})
    with set_up(portal, B24BOT_LINES="all") as server:
        report = settled(server)
        assert bot_fields(portal, 3) == bot_fields(portal, 9) == attached(report["bot_id"])
        assert bot_fields(portal, 7)[:2] == ("Y", "500")
        assert report["lines"]["7"]["state"] == "other bot"


def test_a_named_line_is_taken_from_another_bot(portal: SimulatedPortal) -> None:
    add_other_bot(portal)
    portal.line(3).fields.update({"WELCOME_BOT_ENABLE": "Y", "WELCOME_BOT_ID": "500"})
    with set_up(portal, B24BOT_LINES="3") as server:
        bot_id = settled(server)["bot_id"]
        assert bot_fields(portal, 3) == attached(bot_id)


def test_a_line_that_an_administrator_changed_is_set_right_at_the_next_start(portal: SimulatedPortal) -> None:
    with at_work(portal, set_lines=True) as (_, server):
        portal.line(3).fields.update({"WELCOME_BOT_LEFT": "queue", "WELCOME_BOT_TIME": "600"})
        restarted(server)
        assert bot_fields(portal, 3) == attached(597)


def test_sixty_lines_are_attached_in_a_few_requests(portal: SimulatedPortal) -> None:
    for number in range(10, 70):
        portal.add_line(f"Линия {number}", number)
    with set_up(portal) as server:
        report = settled(server)
        assert all(bot_fields(portal, n) == attached(report["bot_id"]) for n in (3, *range(10, 70)))
        assert len([call for call in portal.calls if not call.in_batch]) < 15
        assert portal.limits.refused == 0


def requests(portal: SimulatedPortal, first: int) -> list[list[str]]:
    """Each request since then: its method, or those of its batch."""
    found: list[list[str]] = []
    batch: list[str] = []
    for call in portal.calls[first:]:
        if call.in_batch:
            batch.append(call.method)
        else:
            found.append(batch if call.method == "batch" else [call.method])
            batch = []
    return found


def test_a_set_up_takes_as_few_requests_as_it_can(portal: SimulatedPortal) -> None:
    """Two requests a second are all that there are, and whoever presses 'Install' waits for the end."""
    with set_up(portal) as server:
        settled(server)
        (writing,) = [found for found in requests(portal, 0) if "event.bind" in found]
        assert writing == ["event.bind"] * 9 + ["imopenlines.config.update", "imopenlines.config.get"]
        assert {handler.event for handler in portal.core.handlers} >= set(BOUND_EVENTS)
        methods = [found for found in requests(portal, 0) if found[0] in SET_UP]
        assert len(methods) == 5, methods  # looked, registered, named, written, tested
        first = len(portal.calls)
        restarted(server)
        methods = [found for found in requests(portal, first) if found[0] in SET_UP]
        assert methods == [
            ["profile", "event.get", "imbot.bot.list", "imopenlines.config.list.get"],
            ["imbot.register"],
            ["event.test"],
        ]
        assert portal.limits.refused == 0


def test_each_command_of_the_one_request_has_an_outcome_of_its_own(portal: SimulatedPortal) -> None:
    server = set_up(portal)
    portal.faults.fail("event.bind", "ACCESS_DENIED", 403, times=2)
    with server:
        report = settled(server)
        assert report["problems"] == ["event.bind ONAPPINSTALL: ACCESS_DENIED", "event.bind ONAPPUPDATE: ACCESS_DENIED"]
        assert {event for event, _ in bound(portal)} >= set(BOUND_EVENTS[2:])
        assert bot_fields(portal, 3) == attached(report["bot_id"])
        # What could not be bound is tried at the next start.
        assert restarted(server)["problems"] == []
        assert {event for event, _ in bound(portal)} >= set(BOUND_EVENTS)


# --- rights that lack -----------------------------------------------------------------------------------------


def test_an_installer_without_rights_is_told_plainly_and_the_poorer_mode_works(portal: SimulatedPortal) -> None:
    server = Server(portal)
    app = adopt(portal, server)
    pair = app.tokens(27)
    server.pretend_installed(access_token=pair.access_token, refresh_token=pair.refresh_token)
    with server:
        report = settled(server)
        assert report["admin"] is False
        assert report["lines"]["3"]["state"] == "refused"
        said = " ".join(report["problems"])
        assert "administrator" in said and "line 3" in said and "CONFIG_WRONG_USER_PERMISSION" in said
        assert "by hand" in said
        # Somebody attaches the bot by hand, without the setting that keeps it in the chat.
        portal.line(3).fields.update({"WELCOME_BOT_ENABLE": "Y", "WELCOME_BOT_ID": str(report["bot_id"])})
        client = portal.client("Анна")
        message = client.writes("Здравствуйте")
        until(lambda: portal.handed_over(message.chat_id), what="the client reaches an operator")
        portal.operator(27).writes(message.chat_id, "Добрый день!")
        portal.operator(27).finishes(message.chat_id)
        portal.wait_quiet()
        # Operator 27 is the installer here, so the portal's history opens for him.
        until(lambda: "Добрый день!" in [m["text"] for m in server.messages(message.chat_id)], what="history repaired")


def test_missing_scopes_are_told_plainly(portal: SimulatedPortal) -> None:
    server = Server(portal)
    app = adopt(portal, server)
    app.scopes = ("imbot", "im")
    with server:
        report = settled(server)
        said = " ".join(report["problems"])
        assert "imopenlines.config.list.get" in said and "insufficient_scope" in said
        assert report["bot_id"] and status(server)["installed"]
        assert server.post_event(client_message(85833)).status == 200


@pytest.mark.parametrize("refusal", ["insufficient_scope", "ERROR_METHOD_NOT_FOUND"])
def test_without_the_bot_scope_the_report_says_so(refusal: str, portal: SimulatedPortal) -> None:
    portal.build.scope_refusal = refusal
    server = Server(portal)
    adopt(portal, server).scopes = ("imopenlines", "im")
    with server:
        report = settled(server)
        assert any("imbot.register" in problem for problem in report["problems"])
        assert report["bot_id"] == 0 and status(server)["installed"]


def test_a_set_up_that_the_portal_interrupts_goes_on_by_itself(portal: SimulatedPortal) -> None:
    server = set_up(portal)
    portal.faults.html(status=503, times=1)
    with server:
        until(lambda: bot_fields(portal, 3) == attached(597), what="the line is attached")


@pytest.mark.parametrize("method", ["imbot.register", "event.bind", "imopenlines.config.list.get"])
def test_a_passing_error_of_the_portal_is_no_final_answer(method: str, portal: SimulatedPortal) -> None:
    server = set_up(portal)
    portal.faults.fail(method, "INTERNAL_SERVER_ERROR", 500, times=1)
    with server:
        until(lambda: bot_fields(portal, 3) == attached(597), 8, what="the line is attached")
        until(lambda: len(bound(portal)) >= 15, 8, what="every handler is bound")
