"""A shop of Avito when something is amiss between the four: rights, secrets, echoes, what is taken back."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from python_bot.simulator.avito import Buyer
from python_bot.simulator.model import Message
from tests.instance.tools import BEARER, wait_idle
from tests.support import until
from tests.support.messengers import World, messengers


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with messengers() as world:
        yield world


@pytest.fixture
def shop(world: World) -> World:
    """Another one, with a group of its own, each time."""
    return world.another()


def in_topic(world: World, buyer: Buyer) -> list[str]:
    """What the topic of a client shows, without the advert."""
    assert buyer.chat.item is not None
    return world.in_topics().get(f"{buyer.person.name} · {buyer.chat.item.title}", [""])[1:]


def test_the_former_address_is_good_until_avito_knows_the_new_one(shop: World) -> None:
    account = shop.connected()
    olga = shop.shop.buyer("Ольга", shop.shop.item("Стул"))
    former = shop.shop.subscriptions[0].url
    shop.avito.faults.refuse(500, "/webhook", times=50)
    shop.server.request("PATCH", f"/api/avito/accounts/{account['id']}", b"{}", **BEARER)
    until(lambda: shop.account(account["id"])["webhook_last_error"], what="the new one could not be registered")
    assert [found.url for found in shop.shop.subscriptions] == [former]
    olga.writes("Слышно?")
    until(lambda: "Слышно?" in shop.in_line(olga), what="the former address still works")
    shop.avito.faults.clear()
    shop.server.request("PATCH", f"/api/avito/accounts/{account['id']}", b"{}", **BEARER)
    until(lambda: former not in [found.url for found in shop.shop.subscriptions], what="the former one is taken back")
    until(lambda: shop.account(account["id"])["webhook_enabled"], what="the new one works")
    wait_idle(shop.server)
    assert len(shop.shop.subscriptions) == 1
    assert shop.server.request("POST", urlsplit(former).path, b"{}").status == 404


def test_an_echo_that_comes_before_the_answer_is_no_message(shop: World) -> None:
    shop.connected(topics=True)
    pyotr = shop.shop.buyer("Пётр", shop.shop.item("Стул"))
    pyotr.writes("Сколько?")
    until(lambda: in_topic(shop, pyotr) == ["Сколько?"] and "Сколько?" in shop.in_line(pyotr), 30)
    shop.avito.build.echo_first = True
    try:
        shop.portal.operator(27).writes(shop.portal_chat(pyotr), "Сто")
        until(lambda: len(in_topic(shop, pyotr)) == 2, 30, what="the topic shows the line's answer")
        topic = next(topic for topic in shop.group.topics if topic.name == "Пётр · Стул")
        shop.manager.writes("Или девяносто", thread=topic)
        until(lambda: len(pyotr.shown) == 3, 30, what="the client has both")
        until(lambda: "Или девяносто" in shop.in_line(pyotr), 30, what="the line shows the topic's answer")
        wait_idle(shop.server)
    finally:
        shop.avito.build.echo_first = False
    assert [text.split("\n")[-1] for text in shop.in_line(pyotr) if "12 000" not in text] == [
        "Сколько?", "Сто", "Или девяносто"]  # fmt: skip
    assert [text.split("\n")[-1] for text in in_topic(shop, pyotr)] == ["Сколько?", "Сто", "Или девяносто"]


def test_what_the_bot_lacks_in_the_group_is_named_and_nothing_is_lost_meanwhile(shop: World) -> None:
    shop.group.set_bot(shop.bot, "administrator", rights=())
    shop_id = shop.add(topics=True)["id"]
    until(lambda: shop.account(shop_id)["telegram_problem"], what="the right is missed")
    assert "«Управление темами»" in shop.account(shop_id)["telegram_problem"]
    raya = shop.shop.buyer("Рая", shop.shop.item("Стул"))
    until(lambda: shop.account(shop_id)["webhook_enabled"], what="Avito calls us all the same")
    raya.writes("Ау")
    until(lambda: "Ау" in shop.in_line(raya), what="the line is not kept waiting by it")
    shop.group.set_bot(shop.bot, "administrator", rights=("can_manage_topics",))
    shop.server.request("PATCH", f"/api/avito/accounts/{shop_id}", b"{}", **BEARER)
    until(lambda: in_topic(shop, raya) == ["Ау"], 30, what="the topic is made as soon as it may be")
    until(lambda: shop.account(shop_id)["telegram_problem"] is None, what="nothing is missing any more")


def test_what_is_taken_back_or_changed(shop: World) -> None:
    shop.connected(topics=True)
    tanya = shop.shop.buyer("Таня", shop.shop.item("Стул"))
    said = tanya.writes("Мой номер 5551234")
    until(lambda: in_topic(shop, tanya) == ["Мой номер 5551234"] and "Мой номер 5551234" in shop.in_line(tanya), 30)
    tanya.deletes(said)
    until(lambda: len(in_topic(shop, tanya)) == 2, 30, what="the topic says so")
    assert in_topic(shop, tanya)[1].startswith("🗑")

    def in_dialog() -> list[Message]:
        return next(chat for chat in shop.portal.chats if chat.chat_id == shop.portal_chat(tanya)).messages

    (there,) = [message for message in in_dialog() if message.text == "Мой номер 5551234"]
    until(lambda: there.deleted, 30, what="the line shows it no more")

    operator = shop.portal.operator(27)
    answer = operator.writes(shop.portal_chat(tanya), "Ой")
    until(lambda: any(message.text.endswith("Ой") for message in tanya.shown), what="the client has it")
    wait_idle(shop.server)
    operator.edits(answer, "Ой-ой")

    def notices() -> list[str]:
        return [message.text for message in in_dialog() if "прежний текст" in message.text]

    until(notices, what="the operator learns that Avito changes nothing")
    operator.deletes(answer)
    until(lambda: not any(message.text.endswith("Ой") for message in tanya.shown if message.type == "text"), 30)
