"""The channel against a Bot API over real sockets: asked, called, sent to, refused."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from python_bot.channels.base import (
    Account,
    ChatChanged,
    DeletesMessages,
    EditsMessages,
    Hears,
    Incoming,
    OpensFiles,
    Outgoing,
    OutgoingFile,
    Polls,
    Receives,
    Setup,
)
from python_bot.channels.http import Http
from python_bot.channels.pace import Pace
from python_bot.channels.telegram.channel import Telegram, create
from python_bot.channels.telegram.client import BotApi
from python_bot.errors import DeliveryFailed
from python_bot.simulator.telegram import Bot, Client, TelegramServer


def never() -> bool:
    return False


class Impatient(Pace):
    """Waits for its turn: a test has one chat, and wants the next message in it at once."""

    def __init__(self) -> None:
        super().__init__(patience_s=5.0, sleep=lambda seconds: time.sleep(0.001), clock=lambda: time.monotonic() * 1000)


@pytest.fixture
def api() -> Iterator[TelegramServer]:
    with TelegramServer(limits=False) as server:
        yield server


@pytest.fixture
def bot(api: TelegramServer) -> Bot:
    return api.add_bot("Магазин", "shop_bot")


@pytest.fixture
def olga(api: TelegramServer, bot: Bot) -> Client:
    return api.client(bot, "Olga")


@pytest.fixture
def telegram(api: TelegramServer) -> Telegram:
    # The simulated messenger gives out files as the portal would.
    return Telegram(
        BotApi(Http("Telegram", timeout_s=5), api.url), Http("Bitrix24"), f"{api.url}/tg/webhook", Impatient()
    )


@pytest.fixture
def account(telegram: Telegram, bot: Bot) -> Account:
    secrets = {"token": bot.token, "webhook_secret": "S3cret_demo-1"}
    return Account(1, "telegram", telegram.identify(secrets), 3, "working", "", 0, secrets)


def chat(client: Client) -> str:
    return f"tg:{client.id}"


def say(telegram: Telegram, account: Account, client: Client, text: str, *files: OutgoingFile) -> list[str]:
    ids: list[str] = []
    for part in telegram.parts(Outgoing("1", chat(client), text, files)):
        ids += telegram.deliver(account, chat(client), part)
    return ids


def test_it_keeps_every_contract_that_it_can(telegram: Telegram) -> None:
    for contract in (EditsMessages, DeletesMessages, OpensFiles, Receives, Polls, Hears):
        assert isinstance(telegram, contract)
    assert create(Setup("shop-1", "https://bots.acme.ru/shop-1/")).name == "telegram"


def test_a_token_says_whose_it_is(telegram: Telegram, bot: Bot) -> None:
    found = telegram.identify({"token": bot.token})
    assert (found.external_id, found.name, found.url) == (str(bot.id), "Магазин", "https://t.me/shop_bot")


@pytest.mark.parametrize("token", ["", "123", "7000000001:AAwrong", "bot/../x", "1:ключ"])
def test_a_wrong_token_is_refused_for_good(telegram: Telegram, token: str) -> None:
    with pytest.raises(DeliveryFailed) as caught:
        telegram.identify({"token": token})
    assert caught.value.final and "@BotFather" in str(caught.value)
    assert token == "" or token == "123" or token not in repr(caught.value)


def test_updates_are_asked_for_and_confirmed_by_the_next_question(
    api: TelegramServer, telegram: Telegram, account: Account, bot: Bot, olga: Client
) -> None:
    olga.writes("Здравствуйте")
    first = telegram.poll(account, "", never)
    again = telegram.poll(account, "", never)
    assert [one.text for one in first.happened if isinstance(one, Incoming)] == ["Здравствуйте"]
    assert again == first and len(api.pending(bot)) == 1
    olga.blocks_bot()
    second = telegram.poll(account, first.cursor, never)
    assert [one.state for one in second.happened if isinstance(one, ChatChanged)] == ["blocked"]
    assert len(api.pending(bot)) == 1


def test_a_long_poll_ends_with_the_program(telegram: Telegram, account: Account) -> None:
    ending = threading.Event()
    timer = threading.Timer(0.1, ending.set)
    timer.start()
    began = time.monotonic()
    with pytest.raises(DeliveryFailed):
        telegram.poll(account, "", ending.is_set)
    assert time.monotonic() - began < 1
    timer.join()


def test_a_webhook_in_the_way_is_removed(telegram: Telegram, account: Account, api: TelegramServer, bot: Bot) -> None:
    by_hook = replace(account, options={"polling": False})
    facts = telegram.attach(by_hook)
    assert facts["mode"] == "webhook"
    (call,) = api.calls_of("setWebhook")
    assert call.params["secret_token"] == "S3cret_demo-1"
    assert telegram.poll(by_hook, "7", never).cursor == "7" and api.calls_of("getUpdates") == []
    assert telegram.poll(account, "", never).happened == ()  # 409: it is removed, and asked for again
    api.clock.advance(2)  # Telegram takes one webhook a second
    assert telegram.attach(by_hook)["mode"] == "webhook"
    assert telegram.attach(account)["mode"] == "polling"
    assert len(api.calls_of("deleteWebhook")) == 2
    api.clock.advance(2)
    telegram.attach(by_hook)
    telegram.detach(by_hook)
    assert len(api.calls_of("deleteWebhook")) == 3


def test_without_an_address_for_it_there_is_no_webhook(api: TelegramServer) -> None:
    for base, url in (("", "http://bots.acme.ru/tg/webhook"), ("", "https://a.ru:8080/tg/webhook"), (api.url, "")):
        telegram = Telegram(BotApi(Http("Telegram"), base), Http("Bitrix24"), url)
        with pytest.raises(DeliveryFailed) as caught:
            telegram._check_hook_url()
        assert caught.value.final and "https" in str(caught.value)


def test_another_program_that_asks_is_explained(api: TelegramServer, telegram: Telegram, account: Account) -> None:
    description = "Conflict: terminated by other getUpdates request; make sure that only one bot instance is running"
    api.faults.refuse("getUpdates", 409, description)
    with pytest.raises(DeliveryFailed, match="ещё одна программа") as caught:
        telegram.poll(account, "", never)
    assert not caught.value.final and caught.value.retry_after_s
    api.faults.refuse("getUpdates", 409, "Conflict: terminated by setWebhook request")
    assert telegram.poll(account, "5", never).cursor == "5"


def test_files_of_clients_stream(telegram: Telegram, account: Account, olga: Client) -> None:
    olga.sends_document("смета.txt", b"x" * 100_000, "text/plain")
    (found,) = telegram.poll(account, "", never).happened
    assert isinstance(found, Incoming)
    content = telegram.open_file(account, found.files[0].ref)
    assert b"".join(content.blocks) == b"x" * 100_000 and content.size == 100_000
    with pytest.raises(DeliveryFailed) as caught:
        telegram.open_file(account, "no such file")
    assert caught.value.final


def test_files_of_an_own_server_are_read_on_this_machine() -> None:
    with TelegramServer(local=True, limits=False) as api:
        bot = api.add_bot()
        telegram = Telegram(BotApi(Http("Telegram"), api.url), Http("Bitrix24"))
        account = Account(
            1, "telegram", telegram.identify({"token": bot.token}), 3, "working", "", 0, {"token": bot.token}
        )
        api.client(bot, "Olga").sends_document("a.txt", b"large", "text/plain")
        (found,) = telegram.poll(account, "", never).happened
        assert isinstance(found, Incoming)
        assert b"".join(telegram.open_file(account, found.files[0].ref).blocks) == b"large"


def test_an_own_server_names_no_file_of_others(telegram: Telegram, account: Account, monkeypatch: Any) -> None:
    monkeypatch.setattr(telegram._api, "call", lambda *args: {"file_path": "/etc/passwd"})
    with pytest.raises(DeliveryFailed, match="чужой"):
        telegram.open_file(account, "x")


def test_words_arrive_dressed_and_are_changed_and_taken_back(
    telegram: Telegram, account: Account, olga: Client
) -> None:
    (first,) = say(telegram, account, olga, "[b]Да[/b]")
    assert first == f"{olga.id}:{olga.shown[-1].message_id}"
    assert olga.shown[-1].text == "Да" and olga.shown[-1].content["entities"][0]["type"] == "bold"
    (part,) = telegram.parts(Outgoing("1", chat(olga), "Нет"))
    telegram.edit(account, chat(olga), first, part)
    telegram.edit(account, chat(olga), first, part)  # unchanged is success
    assert olga.shown[-1].text == "Нет"
    telegram.delete(account, chat(olga), first)
    telegram.delete(account, chat(olga), first)
    assert [message.text for message in olga.shown] == []


def test_markup_that_telegram_does_not_understand_goes_as_words(
    api: TelegramServer, telegram: Telegram, account: Account, olga: Client
) -> None:
    api.faults.refuse("sendMessage", 400, "Bad Request: can't parse entities: unsupported start tag")
    say(telegram, account, olga, "[b]1 < 2[/b]")
    assert olga.shown[-1].text == "1 < 2"


@pytest.fixture
def files(api: TelegramServer, account: Account, telegram: Telegram, olga: Client) -> Callable[[str], OutgoingFile]:
    """A file that can be downloaded: the simulated messenger is asked for one that it has."""

    def make(name: str) -> OutgoingFile:
        olga.sends_document(name, b"content of " + name.encode(), "text/plain")
        polled = telegram.poll(account, "-1", never)
        found = polled.happened[-1]
        assert isinstance(found, Incoming)
        token = account.secrets["token"]
        path = telegram._api.call(token, "getFile", {"file_id": found.files[0].ref})["file_path"]
        return OutgoingFile(name, "", 20, f"{api.url}/file/bot{token}/{path}")

    return make


def test_files_arrive_with_their_names_and_words(
    telegram: Telegram, account: Account, olga: Client, files: Callable[[str], OutgoingFile], api: TelegramServer
) -> None:
    (one,) = say(telegram, account, olga, "Договор", files("договор.pdf"))
    assert api.calls[-1].method == "sendDocument" and olga.shown[-1].content["caption"] == "Договор"
    assert olga.shown[-1].content["document"]["file_name"] == "договор.pdf"
    (part,) = telegram.parts(Outgoing("1", chat(olga), "Новый договор", (files("a.pdf"),)))
    telegram.edit(account, chat(olga), one, part)
    album = say(telegram, account, olga, "Оба", files("a.pdf"), files("b.pdf"))
    assert len(album) == 2 and api.calls[-1].method == "sendMediaGroup"


def test_a_picture_that_telegram_cannot_show_goes_as_a_document(
    telegram: Telegram, account: Account, olga: Client, files: Callable[[str], OutgoingFile], api: TelegramServer
) -> None:
    api.faults.refuse("sendPhoto", 400, "Bad Request: PHOTO_INVALID_DIMENSIONS")
    assert len(say(telegram, account, olga, "Схема", files("схема.png"))) == 1
    api.faults.refuse("sendMediaGroup", 400, "Bad Request: failed to send message #1: IMAGE_PROCESS_FAILED")
    assert len(say(telegram, account, olga, "Схемы", files("a.png"), files("b.png"))) == 2
    assert [call.method for call in api.calls_of("sendDocument")] == ["sendDocument"] * 3


def test_a_file_that_turns_out_too_large_becomes_a_link_and_its_company_arrives(
    telegram: Telegram, account: Account, olga: Client, files: Callable[[str], OutgoingFile], api: TelegramServer
) -> None:
    def linked(name: str) -> OutgoingFile:
        return replace(files(name), size=0, link=lambda: f"https://bots.acme.ru/{name}")

    api.faults.refuse("sendDocument", 413, "Request Entity Too Large")
    assert len(say(telegram, account, olga, "Договор", linked("a.pdf"))) == 1
    assert olga.shown[-1].content["text"] == "Договор\na.pdf (0 МБ)"
    assert [found["url"] for found in olga.shown[-1].content["entities"]] == ["https://bots.acme.ru/a.pdf"]
    api.faults.refuse("sendMediaGroup", 413, "Request Entity Too Large")
    assert len(say(telegram, account, olga, "Оба", linked("b.pdf"), linked("c.pdf"))) == 2
    assert [message.content["document"]["file_name"] for message in olga.shown[-2:]] == ["b.pdf", "c.pdf"]


def test_a_file_that_the_portal_has_no_more_is_no_fault_of_telegrams(
    telegram: Telegram, account: Account, olga: Client, api: TelegramServer
) -> None:
    with pytest.raises(DeliveryFailed, match="Bitrix24: file answered HTTP 404") as caught:
        say(telegram, account, olga, "", OutgoingFile("a.pdf", "", 5, f"{api.url}/nothing"))
    assert caught.value.final


@pytest.mark.parametrize(
    ("code", "description", "says", "final"),
    [
        (403, "Forbidden: bot was blocked by the user", "заблокировал бота", True),
        (403, "Forbidden: user is deactivated", "удалил свой аккаунт", True),
        (400, "Bad Request: chat not found", "не знает этого чата", True),
        (403, "Forbidden: bot was kicked from the supergroup chat", "удалили из группы", True),
        (413, "Request Entity Too Large", "больше 50 МБ", True),
        (400, "Bad Request: SOMETHING_NEW", "SOMETHING_NEW", True),
        (401, "Unauthorized", "токен", False),
        (404, "Not Found", "токен", False),
        (500, "Internal Server Error: restart", "HTTP 500", False),
        (502, "Bad Gateway", "HTTP 502", False),
    ],
)
def test_a_refusal_says_what_to_do(
    api: TelegramServer,
    telegram: Telegram,
    account: Account,
    olga: Client,
    code: int,
    description: str,
    says: str,
    final: bool,
) -> None:
    api.faults.refuse("sendMessage", code, description)
    with pytest.raises(DeliveryFailed, match=says) as caught:
        say(telegram, account, olga, "Да")
    assert caught.value.final is final and caught.value.status == code
    assert account.secrets["token"] not in repr(caught.value)


def test_a_pause_that_telegram_asks_for_holds_this_chat_only(api: TelegramServer, bot: Bot, account: Account) -> None:
    telegram = Telegram(BotApi(Http("Telegram"), api.url), Http("Bitrix24"))
    olga, pyotr = api.client(bot, "Olga"), api.client(bot, "Пётр")
    api.faults.flood(17)
    for _ in range(2):
        with pytest.raises(DeliveryFailed) as caught:
            say(telegram, account, olga, "Да")
        assert caught.value.status == 429 and 16 < (caught.value.retry_after_s or 0) <= 17
    say(telegram, account, pyotr, "Да")
    assert len(api.calls_of("sendMessage")) == 2


def test_the_second_word_in_a_second_waits_for_its_turn(api: TelegramServer, account: Account, olga: Client) -> None:
    telegram = Telegram(BotApi(Http("Telegram"), api.url), Http("Bitrix24"))
    say(telegram, account, olga, "раз")
    with pytest.raises(DeliveryFailed) as caught:
        say(telegram, account, olga, "два")
    assert 0 < (caught.value.retry_after_s or 0) <= 1 and not caught.value.final


def test_a_group_that_has_moved_is_written_to_where_it_is(
    api: TelegramServer, telegram: Telegram, account: Account, bot: Bot
) -> None:
    group = api.group(bot, "Дачники", forum=False, kind="group")
    old = f"tg:{group.id}"
    new = group.becomes_supergroup()
    (part,) = telegram.parts(Outgoing("1", old, "Да"))
    (message_id,) = telegram.deliver(account, old, part)
    assert message_id.startswith(f"{new.id}:")


def test_silence_is_a_doubt_and_nothing_else(
    api: TelegramServer, telegram: Telegram, account: Account, olga: Client
) -> None:
    api.faults.lose("answer", "sendMessage")
    with pytest.raises(DeliveryFailed) as caught:
        say(telegram, account, olga, "Да")
    assert caught.value.status is None and not caught.value.final


def test_several_changes_of_one_message_do_not_wait_for_each_other(
    api: TelegramServer, account: Account, olga: Client
) -> None:
    telegram = Telegram(BotApi(Http("Telegram"), api.url), Http("Bitrix24"))
    ids = [f"{olga.id}:{olga.writes(text).message_id}" for text in ("раз", "два", "три")]
    (part,) = telegram.parts(Outgoing("1", chat(olga), "Да"))
    (sent,) = telegram.deliver(account, chat(olga), part)
    for text in ("Нет", "Да", "Нет"):
        (part,) = telegram.parts(Outgoing("1", chat(olga), text))
        telegram.edit(account, chat(olga), sent, part)
    for message_id in (sent, sent, ids[0]):
        telegram.delete(account, chat(olga), message_id)
    api.faults.flood(3, "deleteMessage")
    with pytest.raises(DeliveryFailed) as caught:
        telegram.delete(account, chat(olga), ids[1])
    assert caught.value.retry_after_s == 3.0


def test_an_edit_in_which_nothing_is_to_be_seen_is_none(telegram: Telegram, account: Account, olga: Client) -> None:
    question = olga.writes("https://example.org")
    olga.touches(question)
    first = telegram.poll(account, "", never)
    assert [one.change for one in first.happened if isinstance(one, Incoming)] == ["message"]
    olga.edits(question, "https://example.org/2")
    second = telegram.poll(account, first.cursor, never)
    assert [one.change for one in second.happened if isinstance(one, Incoming)] == ["edit"]
    assert telegram.poll(account, first.cursor, never) == second  # it could not be stored, and is told again
    olga.edits(question, "https://example.org")
    third = telegram.poll(account, second.cursor, never)
    assert [one.text for one in third.happened if isinstance(one, Incoming)] == ["https://example.org"]
