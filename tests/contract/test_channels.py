"""What the stores of the channels promise: once, in order, with the numbers of both sides, and gone when erased."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from python_bot.archive import SqliteErasure
from python_bot.channels.base import Identity, Incoming, Person
from python_bot.channels.messages import SqliteChannelMessages
from python_bot.channels.posts import NUMBERS_KEPT, SqlitePosts
from python_bot.channels.store import SqliteChannels
from tests.contract.conversations import CHAT, Join, Say, play

T = 1_785_312_000
ANNA = Person("tiny:anna", "Анна")


def said(number: int, text: str = "привет", chat: str = "tiny:anna") -> Incoming:
    return Incoming(str(number), "message", chat, f"{chat}:{number}", T + number, ANNA, text)


def account(stores: Any) -> tuple[SqliteChannels, SqliteChannelMessages, int]:
    channels, messages = SqliteChannels(stores.storage), SqliteChannelMessages(stores.storage)
    number = stores.write(lambda tx: channels.add(tx, "tiny", Identity("box-1", "Our box"), 3, {"a": 1}, T))
    stores.write(lambda tx: channels.set_secrets(tx, number, {"token": "secret-of-the-box"}))
    return channels, messages, number


def hear(stores: Any, channels: SqliteChannels, messages: SqliteChannelMessages, number: int, *items: Incoming) -> None:
    for item in items:
        stores.write(lambda tx, item=item: channels.touch_chat(tx, number, item.chat_id, "", "", item.sender))
        stores.write(lambda tx, item=item: messages.add_in(tx, number, item, T))


def test_an_account_keeps_what_it_was_told_and_shows_no_secret(stores: Any) -> None:
    channels, _, number = account(stores)
    stores.write(lambda tx: channels.add_facts(tx, number, {"webhook": True, "gone": None}))
    held = channels.one(number)
    assert held is not None
    assert (held.account.identity.name, held.account.line_id, held.account.options) == ("Our box", 3, {"a": 1})
    assert (held.account.state, held.facts) == ("connecting", {"webhook": True})
    assert "secret-of-the-box" not in repr(held)
    assert channels.secrets() == ("secret-of-the-box",)


def test_a_message_is_kept_once_by_its_key_and_by_its_number(stores: Any) -> None:
    channels, messages, number = account(stores)
    hear(stores, channels, messages, number, said(1), said(1, "the same number"), said(2))
    assert [row.happened.text for row in messages.waiting(number, "tiny:anna", 10)] == ["привет", "привет"]
    assert stores.write(lambda tx: channels.is_new(tx, number, "key", T))
    assert not stores.write(lambda tx: channels.is_new(tx, number, "key", T))


def test_an_album_is_known_by_its_first_number(stores: Any) -> None:
    channels, messages, number = account(stores)
    hear(stores, channels, messages, number, said(1), said(2))
    refs = [row.id for row in messages.waiting(number, "tiny:anna", 10)]
    stores.write(lambda tx: messages.trying(tx, refs, T))
    assert {row.status for row in messages.waiting(number, "tiny:anna", 10)} == {"sending"}
    stores.write(lambda tx: messages.settle_in(tx, refs, "sent"))
    assert messages.waiting(number, "tiny:anna", 10) == []
    assert messages.shown_as(number, "tiny:anna:2") == "tiny:anna:1"


def test_what_no_messenger_tells_again_is_forgotten(stores: Any) -> None:
    channels, _, number = account(stores)
    stores.write(lambda tx: channels.is_new(tx, number, "old", T))
    stores.write(lambda tx: channels.is_new(tx, number, "new", T + 10))
    stores.write(lambda tx: channels.forget_seen(tx, T + 10))
    assert stores.write(lambda tx: channels.is_new(tx, number, "old", T + 20))
    assert not stores.write(lambda tx: channels.is_new(tx, number, "new", T + 20))


def test_posts_of_topics_are_forgotten_when_they_are_over_and_many_came_after_them(stores: Any) -> None:
    _, _, number = account(stores)
    posts = SqlitePosts(stores.storage)
    settled = [
        stores.write(lambda tx, count=count: posts.add(tx, number, "tiny:anna", "topic", said(count), T))
        for count in range(NUMBERS_KEPT + 3)
    ]
    stores.write(lambda tx: posts.settle(tx, settled[1:], "sent", ("-100:1",)))
    stores.write(lambda tx: posts.forget_settled(tx, T))
    assert stores.write(lambda tx: tx.sql.execute("SELECT COUNT(*) FROM channel_posts").fetchone()[0]) == len(settled)
    stores.write(lambda tx: posts.forget_settled(tx, T + 1))
    left = stores.write(lambda tx: [row[0] for row in tx.sql.execute("SELECT id FROM channel_posts ORDER BY id")])
    assert left == [settled[0], *settled[3:]]  # the first one waits still


def test_an_account_that_is_removed_takes_everything_along(stores: Any) -> None:
    channels, messages, number = account(stores)
    hear(stores, channels, messages, number, said(1))
    stores.write(lambda tx: channels.remove(tx, number))
    assert (channels.all(), channels.secrets(), messages.count_waiting()) == ([], (), {})


def test_an_erased_dialog_leaves_nothing_of_its_messengers_chat(stores: Any) -> None:
    channels, messages, number = account(stores)
    play(stores, [Join(T), Say(10, "привет", T, 1, T)])
    hear(stores, channels, messages, number, said(1), said(2, chat="tiny:olena"))
    stores.write(lambda tx: channels.set_portal_chat(tx, number, "tiny:anna", CHAT))
    SqliteErasure(stores.storage).erase(CHAT, T + 1000)
    assert stores.write(lambda tx: channels.chat(tx, number, "tiny:anna")) is None
    assert messages.waiting(number, "tiny:anna", 10) == []
    assert len(messages.waiting(number, "tiny:olena", 10)) == 1
    assert stores.write(lambda tx: messages.ref_of(tx, number, "tiny:anna:1")) is None


def test_in_an_archive_that_was_put_in_the_place_of_another_everything_older_is_in_doubt(stores: Any) -> None:
    channels, messages, number = account(stores)
    hear(stores, channels, messages, number, said(1))
    assert stores.write(messages.restored_at) == 0
    stores.write(lambda tx: messages.restored(tx, T + 3))
    stores.write(lambda tx: messages.restored(tx, T + 3))  # whoever dies before the sign is taken away sees it again
    notice = replace(said(2), by="system")
    hear(stores, channels, messages, number, notice, said(2, chat="tiny:bert"), said(3), said(4))
    waiting = messages.waiting(number, "tiny:anna", 10)
    assert [(row.happened.message_id, row.status) for row in waiting] == [
        ("tiny:anna:1", "sending"),
        ("tiny:anna:2", "waiting"),
        ("tiny:anna:3", "waiting"),
        ("tiny:anna:4", "waiting"),
    ]
    assert [row.status for row in messages.waiting(number, "tiny:bert", 10)] == ["sending"]


def test_an_edit_of_what_was_never_seen_is_a_message(stores: Any) -> None:
    channels, messages, number = account(stores)
    hear(stores, channels, messages, number, replace(said(1, "исправлено"), change="edit"), said(1, "как было"))
    (row,) = messages.waiting(number, "tiny:anna", 10)
    assert (row.happened.change, row.happened.text) == ("message", "исправлено")
    hear(stores, channels, messages, number, replace(said(1, "ещё раз"), key="e2", change="edit"))
    assert [row.happened.change for row in messages.waiting(number, "tiny:anna", 10)] == ["message", "edit"]


def test_what_goes_through_while_a_dialog_is_erased_is_not_sent_again(stores: Any) -> None:
    channels, messages, number = account(stores)
    play(stores, [Join(T), Say(10, "привет", T, 1, T)])
    hear(stores, channels, messages, number, said(1))
    stores.write(lambda tx: channels.set_portal_chat(tx, number, "tiny:anna", CHAT))

    def deliver(message_id: int) -> None:
        place, ids = (CHAT, message_id), (f"tiny:anna:{message_id}",)
        ref = write(lambda tx: messages.begin_part(tx, number, "tiny:anna", place, (0, "text"), {}, T))
        write(lambda tx: messages.settle_out(tx, number, ref, "delivered", ids))

    write, told = stores.storage.write, []

    class Interrupted:
        """Somebody writes after the first transaction, and the client has it at once."""

        def write(self, work: Any) -> Any:
            found = write(work)
            if not told:
                told.append(1)
                play(stores, [Say(50, "ещё", T + 900, 1, T)])
                deliver(50)
            return found

    deliver(11)
    SqliteErasure(Interrupted()).erase(CHAT, T + 800)
    assert (messages.parts(number, 11), [row.message_ids for row in messages.parts(number, 50)]) == (
        [],
        [("tiny:anna:50",)],
    )
