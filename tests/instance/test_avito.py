"""A shop of Avito between open line and topics: what comes, what goes, and nothing twice.

The chain of docs/avito.md as a newcomer would check it, step by step.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from python_bot.simulator.pictures import PNG
from python_bot.simulator.telegram import Attachment, Topic
from tests.instance.tools import BEARER, wait_idle
from tests.support import until
from tests.support.messengers import World, messengers


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with messengers() as world:
        world.connected(topics=True)
        yield world


@pytest.fixture(scope="module")
def other(world: World) -> World:
    other = world.another()
    other.connected(topics=True)
    return other


def topic_of(world: World, name: str) -> Topic:
    until(lambda: any(topic.name == name for topic in world.group.topics), what=f"the topic {name} is there")
    return next(topic for topic in world.group.topics if topic.name == name)


def test_the_chain_of_the_page_for_newcomers(world: World) -> None:
    """Account, webhook, message in, topic filled, answer out from either side, no echo."""
    server = world.server
    (account,) = server.request("GET", "/api/avito/accounts", **BEARER).json["accounts"]
    assert (account["state"], account["webhook_enabled"], account["problem"]) == ("working", True, None)
    assert account["telegram_problem"] is None and account["webhook_url"].endswith("/api/webhooks/avito/messages/2/***")

    ivan = world.shop.buyer("Иван", world.shop.item("Велосипед"))
    ivan.writes("Торг уместен?")
    until(lambda: "Торг уместен?" in world.in_line(ivan), what="the portal has it")
    topic = topic_of(world, "Иван · Велосипед")
    until(lambda: "Торг уместен?" in world.in_topics()[topic.name], what="the topic has it")
    assert [text.split("\n")[0] for text in world.in_topics()[topic.name]] == ["ℹ️ Велосипед", "Торг уместен?"]
    portal_chat = next(chat for chat in world.portal.chats if chat.chat_id == world.portal_chat(ivan))
    assert any("12 000 ₽" in message.text for message in portal_chat.messages)

    world.portal.operator(27).writes(world.portal_chat(ivan), "Да, торг есть")
    until(lambda: len(ivan.shown) == 2, what="the client has the line's answer")
    until(lambda: len(world.in_topics()[topic.name]) == 3, what="the topic shows the line's answer")

    world.manager.writes("Приезжайте завтра", thread=topic)
    until(lambda: len(ivan.shown) == 3, what="the client has the topic's answer")
    until(lambda: "Приезжайте завтра" in world.in_line(ivan), what="the line shows the topic's answer")
    until(lambda: not ivan.chat.unread, what="the chat is marked as read at Avito")

    wait_idle(server)
    assert [message.text.split("\n")[-1] for message in ivan.shown] == [
        "Торг уместен?", "Да, торг есть", "Приезжайте завтра"]  # fmt: skip
    assert [text.split("\n")[-1] for text in world.in_topics()[topic.name][1:]] == [
        "Торг уместен?", "Да, торг есть", "Приезжайте завтра"]  # fmt: skip
    assert [text for text in world.in_line(ivan) if "12 000" not in text] == [
        "Торг уместен?", "Да, торг есть", "Приезжайте завтра"]  # fmt: skip
    assert world.account(account["id"])["last_message_at"] is not None
    for secret in (*world.shop.secrets, world.bot.token):
        assert secret not in json.dumps(server.log()) and secret not in json.dumps(account)


def test_what_staff_writes_at_avito_itself_is_the_teams(world: World) -> None:
    anna = world.shop.buyer("Анна", world.shop.item("Диван"))
    anna.writes("Ещё продаёте?")
    topic = topic_of(world, "Анна · Диван")
    world.shop.writes(anna.chat, "Да")
    until(lambda: "👤 Да" in world.in_topics()[topic.name], what="the topic shows it")
    until(lambda: "Да" in world.in_line(anna), what="the line shows it")
    assert len(anna.shown) == 2


def test_a_deleted_topic_is_made_anew_and_a_closed_one_opened(world: World) -> None:
    oleg = world.shop.buyer("Олег", world.shop.item("Лампа"))
    oleg.writes("раз")
    topic = topic_of(world, "Олег · Лампа")
    until(lambda: "раз" in world.in_topics()[topic.name], what="the first is shown")
    world.group.closes(topic, world.manager)
    oleg.writes("два")
    until(lambda: "два" in world.in_topics()[topic.name], what="the second is shown")
    world.group.deletes(topic)
    oleg.writes("три")
    until(lambda: "три" in world.in_topics().get("Олег · Лампа", []), what="the third is shown in another topic")
    again = topic_of(world, "Олег · Лампа")
    assert again.thread_id != topic.thread_id


def test_files_go_both_ways(other: World) -> None:
    vera = other.shop.buyer("Вера", other.shop.item("Шкаф"))
    vera.sends_image(PNG)
    vera.sends_voice()
    topic = topic_of(other, "Вера · Шкаф")
    until(lambda: {"photo", "document"} <= set(other.in_topics()[topic.name]), what="both are in the topic")
    other.manager.sends_photo(thread=topic, caption="вот")
    until(lambda: len(vera.shown) == 4, what="picture and words arrived")
    assert [message.type for message in vera.shown[2:]] == ["image", "text"]


def test_what_avito_does_not_take_is_said_in_the_topic(other: World) -> None:
    yuri = other.shop.buyer("Юрий", other.shop.item("Стол"))
    yuri.writes("Смета?")
    topic = topic_of(other, "Юрий · Стол")
    other.manager.sends_file(Attachment("document", b"pdf", name="смета.pdf", type="application/pdf"), thread=topic)
    until(lambda: any("не отправлен" in text for text in other.in_topics()[topic.name]), what="the author knows")
    assert len(yuri.shown) == 1


def test_what_colleagues_write_outside_the_topics_is_nobodys(other: World) -> None:
    before = len(other.portal.chats)
    other.manager.writes("Кто сегодня?")
    assert other.telegram.wait_confirmed(other.bot)
    wait_idle(other.server)
    assert len(other.portal.chats) == before


def test_a_missing_tariff_is_visible_and_a_shop_without_a_line_lives_in_its_topics(world: World) -> None:
    alone = world.another()
    alone.shop.stops_paying()
    shop_id = alone.add(line=False, topics=True)["id"]
    until(lambda: alone.account(shop_id)["webhook_last_error"], what="the tariff is named")
    found = alone.account(shop_id)
    assert (found["state"], found["webhook_enabled"]) == ("failing", False)
    assert "тариф Avito не включает API мессенджера" in found["webhook_last_error"]
    alone.shop.stops_paying(False)
    alone.server.request("PATCH", f"/api/avito/accounts/{shop_id}", b"{}", **BEARER)
    until(lambda: alone.account(shop_id)["webhook_enabled"], what="it is tried again at once")

    lena = alone.shop.buyer("Лена", alone.shop.item("Кресло"))
    lena.writes("Торг?")
    topic = topic_of(alone, "Лена · Кресло")
    until(lambda: "Торг?" in alone.in_topics()[topic.name], what="the topic has it")
    alone.manager.writes("Да", thread=topic)
    until(lambda: [message.text for message in lena.shown] == ["Торг?", "Да"], what="the client has it")
    wait_idle(alone.server)
    assert (alone.in_line(lena), alone.in_topics()[topic.name][1:]) == ([], ["Торг?", "Да"])


def test_a_busy_chat_holds_no_other_one_up(world: World) -> None:
    """One topic has a backlog when another client writes once: they have their turns one after the other."""
    fair = world.another()
    fair.connected(topics=True)
    busy, quiet = (fair.shop.buyer(name, fair.shop.item("Ковёр")) for name in ("Зоя", "Яна"))
    for number in range(6):
        busy.writes(str(number))
        world.avito.clock.advance(1)
    quiet.writes("один")
    until(lambda: "один" in fair.in_topics().get("Яна · Ковёр", []), 30, what="the quiet one is shown")
    assert "5" not in fair.in_topics()["Зоя · Ковёр"]
    until(lambda: "5" in fair.in_topics()["Зоя · Ковёр"], 30, what="and then the rest of the busy one")
    assert fair.in_topics()["Зоя · Ковёр"][1:] == [str(number) for number in range(6)]
    assert max(delivery.seconds for delivery in world.avito.deliveries if delivery.status == 200) < 0.5


def test_a_call_without_the_secret_or_without_sense_is_refused(other: World) -> None:
    """404 tells a stranger nothing, 400 is no JSON, and `{}` is how Avito asks whether we are there."""
    hook = urlsplit(other.shop.subscriptions[0].url).path
    shop, _, secret = hook.rpartition("/")
    for body, path, status in (
        (b"{}", hook, 200),
        (b'{"id": ', hook, 400),
        (b"{}", f"{shop}/{secret[:-1]}", 404),
        (b"{}", f"{shop}/{secret}x", 404),
        (b"{}", hook.replace(shop, f"{shop}0"), 404),
        (b'{"id": ', f"{shop}/wrong", 404),
    ):
        assert other.server.request("POST", path, body).status == status, (body, path.replace(secret, "***"))


def test_a_missing_right_is_visible_and_tried_again(world: World) -> None:
    shop = world.another()
    shop.shop.loses_rights()
    shop_id = shop.add()["id"]
    until(lambda: shop.account(shop_id)["webhook_last_error"], what="the right is missed")
    found = shop.account(shop_id)
    assert (found["state"], found["webhook_enabled"]) == ("failing", False)
    assert "ключ создан в основном аккаунте компании" in found["webhook_last_error"]
    shop.shop.loses_rights(False)
    shop.server.request("PATCH", f"/api/avito/accounts/{shop_id}", b"{}", **BEARER)
    until(lambda: shop.account(shop_id)["state"] == "working", what="it is tried again")


def test_a_shop_is_kept_though_avito_is_not_there(world: World) -> None:
    later = world.another()
    world.avito.faults.down = True
    try:
        account = later.add()
        assert account["webhook_enabled"] is False
        until(lambda: later.account(account["id"])["webhook_last_error"], what="the account says why")
    finally:
        world.avito.faults.down = False
    later.server.request("PATCH", f"/api/avito/accounts/{account['id']}", b"{}", **BEARER)
    until(lambda: later.account(account["id"])["webhook_enabled"], what="the webhook is there at last")


def test_a_token_that_ended_is_renewed_by_itself_and_the_request_repeated_once(world: World) -> None:
    world = world.another()
    account = world.connected()
    nina = world.shop.buyer("Нина", world.shop.item("Полка"))
    nina.writes("Есть?")
    until(lambda: "Есть?" in world.in_line(nina), what="the portal has it")
    wait_idle(world.server)
    for status in (401, 403):
        issued, hooks = world.avito.tokens_issued, world.shop.subscriptions
        world.avito.build.expired_status = status
        world.shop.loses_tokens()
        said = len(nina.shown)
        world.portal.operator(27).writes(world.portal_chat(nina), f"Да, {status}")
        until(lambda said=said: len(nina.shown) > said, what="the client has the answer")
        wait_idle(world.server)
        assert [message.text.split("\n")[-1] for message in nina.shown[said:]] == [f"Да, {status}"]
        assert world.avito.tokens_issued == issued + 1
        assert world.shop.subscriptions == hooks, "nothing was changed for it"
        assert (world.account(account["id"])["state"], world.account(account["id"])["problem"]) == ("working", None)


def test_a_right_that_is_missing_is_asked_for_once_and_not_again(world: World) -> None:
    """Reading marks are not worth a failure: once with the token, once with a new one, then no more."""
    world = world.another()
    account = world.connected()
    zina = world.shop.buyer("Зина", world.shop.item("Ваза"))
    zina.writes("Есть?")
    until(lambda: "Есть?" in world.in_line(zina), what="the portal has it")
    world.avito.faults.refuse(403, f"{zina.chat.id}/read", times=9)
    for number in (1, 2, 3):
        world.portal.operator(27).writes(world.portal_chat(zina), f"Да {number}")
        until(lambda number=number: len(zina.shown) == number + 1, what="the client has the answer")
        wait_idle(world.server)
    assert len(world.avito.calls_to(f"{zina.chat.id}/read")) == 2
    found = world.account(account["id"])
    assert (found["state"], found["problem"], found["webhook_enabled"]) == ("working", None, True)


def test_that_the_client_has_read_is_told_to_the_operator(world: World) -> None:
    """Avito calls nobody about it: the shop's own last words are looked at until then."""
    world = world.another()
    account = world.connected(topics=False)
    inna = world.shop.buyer("Инна", world.shop.item("Стол"))
    inna.writes("Какого цвета?")
    until(lambda: "Какого цвета?" in world.in_line(inna), what="the portal has it")
    answer = world.portal.operator(27).writes(world.portal_chat(inna), "Белый")
    until(lambda: len(inna.shown) == 2 and answer.delivered_as, what="the client has the answer")
    is_asked(world, account["id"])
    assert not answer.is_read
    inna.reads()
    is_asked(world, account["id"])
    until(lambda: answer.is_read, what="the portal knows that it was read")


def is_asked(world: World, account_id: int) -> None:
    """An empty change lets the poller ask at once, as it would within a minute."""
    answer = world.server.request("PATCH", f"/api/avito/accounts/{account_id}", b"{}", **BEARER)
    assert answer.status == 200, answer.text
    wait_idle(world.server)
