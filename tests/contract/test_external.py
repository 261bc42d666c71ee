"""Messages and dialogs that went through an account of our own say where they are in the messenger; others do not."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from python_bot.archive import Source
from python_bot.channels.base import Identity, Incoming, Person
from python_bot.channels.messages import SqliteChannelMessages
from python_bot.channels.store import SqliteChannels
from python_bot.model import ANY_DIALOG, Message
from tests.contract.conversations import ANNA, CHAT, IVAN, facts, history, said

T = 1_785_312_000
CONNECTOR = "b24bot_acme_tiny1"
OURS = replace(facts(1, T), entity_id=f"{CONNECTOR}|3|tiny:anna|744", connector_id=CONNECTOR)
WHERE = {"channel": "tiny", "account_id": 1, "chat_id": "tiny:anna"}


def connected(stores: Any) -> SqliteChannelMessages:
    """An account that has heard messages 1 and 2 of Anna, and was told the portal's chat."""
    channels, messages = SqliteChannels(stores.storage), SqliteChannelMessages(stores.storage)
    number = stores.write(lambda tx: channels.add(tx, "tiny", Identity("box-1", "Our box"), 3, {}, T))
    stores.write(lambda tx: channels.name_connector(tx, number, CONNECTOR))
    anna = Person("tiny:anna", "Анна")
    stores.write(lambda tx: channels.touch_chat(tx, number, "tiny:anna", "", "https://t.example/anna", anna))
    for count in (1, 2):
        item = Incoming(str(count), "message", "tiny:anna", f"anna:{count}", T + count, anna, "привет")
        stores.write(lambda tx, item=item: messages.add_in(tx, number, item, T))
    stores.write(lambda tx: channels.set_portal_chat(tx, number, "tiny:anna", CHAT))
    return messages


def add(stores: Any, message: Message, chat: Any = OURS) -> None:
    stores.write(lambda tx: stores.archive.add_message(tx, chat, message, Source.BOT))


def test_a_clients_message_tells_its_numbers_in_the_messenger(stores: Any) -> None:
    connected(stores)
    add(stores, said(10, "привет", T, external_ids=("anna:1",)))
    add(stores, said(11, "и ещё", T))
    assert stores.message(10)["external"] == {**WHERE, "message_ids": ["anna:1"]}
    assert "external" not in stores.message(11)
    feed = json.loads(stores.archive.messages_feed(None, 10, ANY_DIALOG, "changed").items)
    assert [row.get("external", {}).get("message_ids") for row in feed] == [["anna:1"], None]
    assert stores.dialog()["dialog"]["external"] == {**WHERE, "url": "https://t.example/anna", "state": "open"}


def test_an_album_tells_all_its_numbers_whatever_is_known_first(stores: Any) -> None:
    messages = connected(stores)
    refs = [row.id for row in messages.waiting(1, "tiny:anna", 10)]
    add(stores, said(10, "альбом", T, external_ids=("anna:1",)))
    stores.write(lambda tx: messages.settle_in(tx, refs, "sent"))
    assert stores.message(10)["external"]["message_ids"] == ["anna:1", "anna:2"]


def test_history_tells_the_numbers_too(stores: Any) -> None:
    connected(stores)
    stores.write(lambda tx: stores.archive.describe(tx, OURS, T))
    told = history(said(10, "привет", T, external_ids=("anna:2",)), said(11, "да", T + 1, author=IVAN))
    stores.write(lambda tx: stores.archive.apply_history(tx, told, T + 9))
    assert stores.message(10)["external"]["message_ids"] == ["anna:2"]
    assert "external" not in stores.message(11)


def test_an_operators_message_tells_the_numbers_of_its_parts(stores: Any) -> None:
    messages = connected(stores)
    add(stores, said(20, "длинный ответ", T, author=IVAN))
    for part in (0, 1):
        ref = stores.write(
            lambda tx, part=part: messages.begin_part(tx, 1, "tiny:anna", (CHAT, 20), (part, "text"), {}, T)
        )
        if not part:
            assert stores.message(20)["external"] == {**WHERE, "message_ids": []}  # on its way
        stores.write(lambda tx, ref=ref, part=part: messages.settle_out(tx, 1, ref, "sent", (f"anna:{30 + part}",)))
    assert stores.message(20)["external"] == {**WHERE, "message_ids": ["anna:30", "anna:31"]}


def test_only_an_account_of_ours_is_named(stores: Any) -> None:
    connected(stores)
    add(stores, said(10, "привет", T, external_ids=("anna:1",)), replace(OURS, connector_id="telegrambot"))
    other = said(12, "привет", T, external_ids=("anna:1",), author=ANNA, chat_id=6)
    add(stores, other, replace(facts(2, T, 6), connector_id="telegrambot"))
    assert "external" not in stores.message(10) and "external" not in stores.message(12, 6)
    assert "external" not in stores.dialog(6)["dialog"]
    add(stores, said(13, "привет", T, external_ids=("anna:1",)))
    add(stores, said(14, "привет", T, external_ids=("anna:1",)))  # shown twice: the first one is it
    assert "external" in stores.message(13) and "external" not in stores.message(14)


def test_posts_of_topics_are_no_imported_messages(stores: Any) -> None:
    """Both are numbered below zero."""
    messages = connected(stores)
    add(stores, said(10, "привет", T))
    add(stores, said(-7, "давно", T - 9, None))
    stores.write(lambda tx: messages.begin_part(tx, 1, "tiny:anna", (CHAT, -7), (0, "text"), {}, T))
    assert all("external" not in row for row in json.loads(stores.archive.messages_page(CHAT, -99, 9).items))


def test_what_went_through_while_another_archive_was_here_is_known_from_history(stores: Any) -> None:
    messages = connected(stores)
    stores.write(lambda tx: stores.archive.describe(tx, OURS, T))
    asked = said(10, "есть?", T, external_ids=("anna:7",))
    answered = said(11, "да", T + 1, author=IVAN, external_ids=("anna:8", "anna:9"))
    for _ in range(2):
        stores.write(lambda tx: stores.archive.apply_history(tx, history(asked, answered), T + 9))
    assert stores.message(10)["external"]["message_ids"] == ["anna:7"]
    assert stores.message(11)["external"]["message_ids"] == ["anna:8", "anna:9"]
    (part,) = messages.parts(1, 11)
    assert (part.status, part.message_ids) == ("delivered", ("anna:8", "anna:9"))
    assert stores.write(lambda tx: messages.unsent(tx, 1, CHAT, 0)) == []
    stores.write(lambda tx: messages.begin_part(tx, 1, "tiny:anna", (CHAT, 12), (0, "text"), {}, T))
    doubtful = said(12, "в сомнении", T + 2, author=IVAN, external_ids=("anna:10",))
    stores.write(lambda tx: stores.archive.apply_history(tx, history(doubtful), T + 9))
    assert [(part.status, part.message_ids) for part in messages.parts(1, 12)] == [("delivered", ("anna:10",))]
    again = Incoming("k", "message", "tiny:anna", "anna:7", T, Person("tiny:anna", "Анна"), "есть?")
    assert stores.write(lambda tx: messages.add_in(tx, 1, again, T)) is None
