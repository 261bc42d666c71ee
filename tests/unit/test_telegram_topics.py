"""Topics of a group over real sockets: made, opened, written to, and what is missing for that."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count

import pytest

from python_bot.channels.base import Account, HasTopics, Identity, Part
from python_bot.channels.http import Http
from python_bot.channels.pace import Pace
from python_bot.channels.telegram.channel import Telegram
from python_bot.channels.telegram.client import BotApi
from python_bot.errors import DeliveryFailed, TopicGone
from python_bot.simulator.telegram import Bot, Group, TelegramServer


@pytest.fixture
def telegram() -> Iterator[TelegramServer]:
    with TelegramServer() as server:
        server.flood.enabled = False
        yield server


@pytest.fixture
def bot(telegram: TelegramServer) -> Bot:
    return telegram.add_bot("Bridge")


@pytest.fixture
def group(telegram: TelegramServer, bot: Bot) -> Group:
    return telegram.group(bot)


@pytest.fixture
def channel(telegram: TelegramServer) -> Iterator[Telegram]:
    http = Http("Telegram")
    # A minute passes between two messages.
    yield Telegram(BotApi(http, telegram.url), http, pace=Pace(clock=count(0.0, 60.0).__next__))
    http.close()


@pytest.fixture
def account(bot: Bot) -> Account:
    return Account(1, "telegram", Identity(str(bot.id), "Bridge"), None, "working", "", 0, {"token": bot.token})


def test_telegram_has_topics(channel: Telegram) -> None:
    assert isinstance(channel, HasTopics)


def test_what_is_written_to_a_topic_is_in_that_topic(channel: Telegram, account: Account, group: Group) -> None:
    thread_id = channel.create_topic(account, str(group.id), "Иван · Велосипед")
    (topic,) = group.topics
    assert (topic.name, str(topic.thread_id)) == ("Иван · Велосипед", thread_id)
    channel.deliver(account, channel.topic_address(str(group.id), thread_id), Part(0, "text", "Торг?"))
    assert [message.content.get("text") for message in group.shown(topic) if not message.is_service] == ["Торг?"]


def test_a_group_that_is_fit_says_its_title(channel: Telegram, account: Account, group: Group) -> None:
    assert channel.check_group(account, str(group.id)) == "Avito desk"


def test_what_the_bot_lacks_is_said_with_what_to_do(
    channel: Telegram, account: Account, group: Group, bot: Bot, telegram: TelegramServer
) -> None:
    group.set_bot(bot, "administrator", rights=())
    with pytest.raises(DeliveryFailed, match=r"не может управлять темами\. Сделайте его администратором") as caught:
        channel.check_group(account, str(group.id))
    assert caught.value.final
    group.stops_being_a_forum()
    with pytest.raises(DeliveryFailed, match=r"выключены темы\. Включите их"):
        channel.check_group(account, str(group.id))
    group.set_bot(bot, "kicked")
    with pytest.raises(DeliveryFailed, match="бот не состоит в группе"):
        channel.check_group(account, str(group.id))


def test_a_deleted_topic_is_gone(channel: Telegram, account: Account, group: Group) -> None:
    thread_id = channel.create_topic(account, str(group.id), "a")
    group.deletes(group.topics[0])
    with pytest.raises(TopicGone):
        channel.deliver(account, channel.topic_address(str(group.id), thread_id), Part(0, "text", "x"))
    with pytest.raises(TopicGone):
        channel.reopen_topic(account, str(group.id), thread_id)


def test_opening_an_open_topic_is_success(channel: Telegram, account: Account, group: Group) -> None:
    thread_id = channel.create_topic(account, str(group.id), "a")
    channel.reopen_topic(account, str(group.id), thread_id)


def test_a_message_whose_answer_was_lost_is_found_among_all_others(
    channel: Telegram, account: Account, group: Group, telegram: TelegramServer
) -> None:
    group_id, manager = str(group.id), group.member("Мария")
    address = channel.topic_address(group_id, channel.create_topic(account, group_id, "a"))
    (first,) = channel.deliver(account, address, Part(0, "text", "раз"))
    after = int(first.rpartition(":")[2])
    assert channel.find_posted(account, group_id, after, {first}) == ()
    manager.writes("между", thread=group.topics[0])
    telegram.faults.lose("answer", "sendMessage")
    with pytest.raises(DeliveryFailed):
        channel.deliver(account, address, Part(0, "text", "два"))
    (third,) = channel.deliver(account, address, Part(0, "text", "три"))
    (found,) = channel.find_posted(account, group_id, after, {first, third})
    assert [message.content["text"] for message in group.shown() if f"{group.id}:{message.message_id}" == found] == [
        "два"
    ]
