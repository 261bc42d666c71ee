"""The channel against a simulated Avito over real sockets: tokens, webhooks, the poller, sending, files, rights."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest

from python_bot.channels.avito.channel import Avito
from python_bot.channels.avito.client import Client
from python_bot.channels.avito.poller import IN_DOUBT_S, READS_A_ROUND, USUAL_S, WELL_S
from python_bot.channels.base import (
    Account,
    Content,
    DeletesMessages,
    DescribesChats,
    Doubt,
    FindsSent,
    Hears,
    Identity,
    Incoming,
    MarksRead,
    OpensFiles,
    Outgoing,
    OutgoingFile,
    Part,
    Polls,
    ReadUpTo,
    Receives,
)
from python_bot.channels.http import Http
from python_bot.channels.pace import Limit, Pace
from python_bot.errors import DeliveryFailed
from python_bot.simulator.avito import AvitoServer, Buyer, Seller
from python_bot.simulator.pictures import PNG

HOOKS = "http://127.0.0.1:9/x/api/webhooks/avito/messages/"
QUICK = (Limit(1000, 1.0),)


@pytest.fixture
def avito() -> Iterator[AvitoServer]:
    with AvitoServer(limits=False) as server:
        server.hooks.tries = 1
        yield server


@pytest.fixture
def shop(avito: AvitoServer) -> Seller:
    return avito.add_shop("Демо Магазин")


@pytest.fixture
def ivan(shop: Seller) -> Buyer:
    return shop.buyer("Иван", shop.item("Велосипед"))


@pytest.fixture
def http() -> Iterator[Http]:
    http = Http("Avito")
    yield http
    http.close()


@pytest.fixture
def channel(avito: AvitoServer, http: Http) -> Avito:
    return Avito(Client(http, avito.url, limits=QUICK), lambda account: f"{HOOKS}{account.id}/")


def secrets_of(shop: Seller, webhook: str = "first") -> Mapping[str, str]:
    client_id, client_secret = shop.secrets
    return {"api_client_id": client_id, "api_client_secret": client_secret, "webhook_secret": webhook}


@pytest.fixture
def account(avito: AvitoServer, shop: Seller) -> Account:
    began = int(avito.clock.now()) - 1
    return Account(7, "avito", Identity(str(shop.user_id), ""), 1, "working", "", began, secrets_of(shop))


def chat_of(buyer: Buyer) -> str:
    return f"av:{buyer.chat.id}"


def polled(channel: Avito, account: Account, cursor: str = "") -> tuple[list[str], str, float]:
    found = channel.poll(account, cursor, lambda: False)
    return [one.text for one in found.happened if isinstance(one, Incoming)], found.cursor, found.pause_s


def test_the_channel_can_what_avito_can(channel: Avito) -> None:
    for contract in (DeletesMessages, DescribesChats, FindsSent, Hears, MarksRead, OpensFiles, Polls, Receives):
        assert isinstance(channel, contract)


# --- who we are


def test_an_account_is_the_owner_of_its_keys(channel: Avito, shop: Seller) -> None:
    assert channel.identify(secrets_of(shop)).external_id == str(shop.user_id)


@pytest.mark.parametrize("status", [401, 200])
def test_wrong_keys_are_said_so_whatever_the_status(
    avito: AvitoServer, channel: Avito, shop: Seller, status: int
) -> None:
    avito.build.token_error_status = status
    with pytest.raises(DeliveryFailed, match="ключи API не подходят") as caught:
        channel.identify({**secrets_of(shop), "api_client_secret": "wrong"})
    assert caught.value.final and "wrong" not in str(caught.value)


def test_one_token_serves_until_it_is_old(avito: AvitoServer, channel: Avito, shop: Seller) -> None:
    for _ in range(3):
        channel.identify(secrets_of(shop))
    assert avito.tokens_issued == 1


@pytest.mark.parametrize("status", [401, 403])
def test_an_expired_token_is_replaced_once_and_the_request_repeated(
    avito: AvitoServer, channel: Avito, account: Account, ivan: Buyer, status: int
) -> None:
    channel.identify(account.secrets)
    avito.faults.refuse(status, "/messages")
    channel.deliver(account, chat_of(ivan), Part(0, "text", "Да"))
    assert [message.text for message in ivan.shown] == ["Да"]
    assert avito.tokens_issued == 2


def test_a_second_403_is_a_right_that_is_missing(
    avito: AvitoServer, channel: Avito, account: Account, ivan: Buyer
) -> None:
    avito.faults.refuse(403, "/messages", times=9)
    with pytest.raises(DeliveryFailed, match="ключ API не даёт доступа") as caught:
        channel.deliver(account, chat_of(ivan), Part(0, "text", "Да"))
    assert caught.value.final
    assert len(avito.calls_to("/messages")) == 2


def test_a_tariff_without_messenger_is_said_so(avito: AvitoServer, channel: Avito, account: Account) -> None:
    avito.faults.refuse(402, "/chats")
    with pytest.raises(DeliveryFailed, match="тариф Avito не включает") as caught:
        channel.poll(account, "", lambda: False)
    assert caught.value.final


def test_a_busy_avito_says_when_to_ask_again(avito: AvitoServer, channel: Avito, account: Account) -> None:
    avito.faults.refuse(429, "/chats", retry_after=17)
    with pytest.raises(DeliveryFailed) as caught:
        channel.poll(account, "", lambda: False)
    assert (caught.value.final, caught.value.retry_after_s) == (False, 17.0)
    with pytest.raises(DeliveryFailed, match="within the limits"):  # and nothing leaves before
        channel.poll(account, "", lambda: False)


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_a_sick_avito_is_tried_again(avito: AvitoServer, channel: Avito, account: Account, status: int) -> None:
    avito.faults.refuse_without_body(status, "/chats")
    with pytest.raises(DeliveryFailed) as caught:
        channel.poll(account, "", lambda: False)
    assert not caught.value.final and caught.value.unreachable


def test_the_pace_is_kept_per_account(avito: AvitoServer, shop: Seller, http: Http) -> None:
    slow = Client(http, avito.url, limits=(Limit(2, 60.0),), pace=Pace(patience_s=0.0))
    for _ in range(2):
        slow.get(secrets_of(shop), "/core/v1/accounts/self")
    with pytest.raises(DeliveryFailed, match="within the limits"):
        slow.get(secrets_of(shop), "/core/v1/accounts/self")
    slow.get(secrets_of(avito.add_shop("Другой")), "/core/v1/accounts/self")


def test_a_shop_may_be_given_another_pace(avito: AvitoServer, account: Account, http: Http) -> None:
    """Of five requests more than the steady rate at once; what left under the former limit counts."""
    channel = Avito(Client(http, avito.url, pace=Pace(patience_s=0.0)), lambda account: HOOKS)

    def leave(account: Account) -> int:
        for done in range(50):
            try:
                channel.describe(account, "av:u2i-x")
            except DeliveryFailed as failure:
                if failure.status == 429:
                    return done
        return 50

    slow = replace(account, options={"requests_per_minute": 12})
    quick = replace(account, options={"requests_per_minute": 120})
    assert leave(slow) == 6
    assert leave(account) == 10 - 6
    assert leave(quick) == 15 - 10
    assert leave(slow) == 0


def test_a_shop_whose_turns_are_used_up_is_unsubscribed_all_the_same(
    avito: AvitoServer, account: Account, shop: Seller, http: Http
) -> None:
    """Nobody would do it later: the account is gone by then."""
    channel = Avito(Client(http, avito.url, pace=Pace(patience_s=0.0)), lambda account: f"{HOOKS}{account.id}/")
    slow = replace(account, options={"requests_per_minute": 12})
    channel.attach(slow)
    with pytest.raises(DeliveryFailed):
        for _ in range(20):
            channel.poll(slow, "", lambda: False)
    channel.detach(slow)
    assert shop.subscriptions == []


# --- the webhook


def urls(shop: Seller) -> list[tuple[str, str]]:
    return [(found.url.removeprefix(HOOKS), found.version) for found in shop.subscriptions]


@pytest.mark.parametrize(
    ("versions", "missing", "version"), [(("3", "2", "1"), 404, "3"), (("2", "1"), 404, "2"), (("1",), 410, "1")]
)
def test_the_newest_webhook_that_avito_has_is_registered(
    avito: AvitoServer, channel: Avito, account: Account, shop: Seller, versions: Any, missing: int, version: str
) -> None:
    avito.build.hook_versions, avito.build.missing_hook_status = versions, missing
    facts = channel.attach(account)
    assert urls(shop) == [("7/first", version)]
    assert facts == {"webhook_enabled": True, "webhook_url": f"{HOOKS}7/***"}


def test_attaching_again_changes_nothing_and_a_conflict_is_success(
    avito: AvitoServer, channel: Avito, account: Account, shop: Seller
) -> None:
    channel.attach(account)
    avito.build.version_is_number = True
    channel.attach(account)
    assert len(avito.calls_to("/messenger/v3/webhook")) == 1
    avito.build.hook_versions, avito.build.repeat_is_conflict = ("2",), True
    shop.shop.subscriptions[f"{HOOKS}7/first"] = replace(shop.shop.subscriptions[f"{HOOKS}7/first"], version="2")
    channel.attach(account)
    assert urls(shop) == [("7/first", "2")]


def test_a_new_secret_takes_the_old_address_back_only_when_the_new_one_stands(
    avito: AvitoServer, channel: Avito, account: Account, shop: Seller
) -> None:
    channel.attach(account)
    changed = replace(account, secrets=secrets_of(shop, "second"))
    avito.faults.refuse(500, "/messenger/v3/webhook")
    with pytest.raises(DeliveryFailed):
        channel.attach(changed)
    assert urls(shop) == [("7/first", "3")]
    channel.attach(changed)
    assert urls(shop) == [("7/second", "3")]


@pytest.mark.parametrize("status", [402, 403])
def test_a_tariff_or_a_right_that_is_missing_is_worth_another_try(
    avito: AvitoServer, channel: Avito, account: Account, shop: Seller, status: int
) -> None:
    """Somebody pays, or takes other keys: nobody has to change the account for it."""
    avito.faults.refuse(status, "/subscriptions", times=2)
    with pytest.raises(DeliveryFailed) as caught:
        channel.attach(account)
    assert (caught.value.final, caught.value.status, caught.value.retry_after_s) == (False, status, 600.0)
    avito.faults.clear()
    channel.attach(account)
    assert urls(shop) == [("7/first", "3")]


def test_webhooks_of_others_are_let_alone(channel: Avito, account: Account, shop: Seller) -> None:
    others = replace(account, id=70)
    channel.attach(others)
    channel.attach(account)
    channel.detach(account)
    assert urls(shop) == [("70/first", "3")]


# --- the poller


def test_what_no_webhook_told_is_found_once_and_in_order(channel: Avito, account: Account, ivan: Buyer) -> None:
    for text in ("раз", "два", "три"):
        ivan.writes(text)
    texts, cursor, _ = polled(channel, account)
    assert texts == ["раз", "два", "три"]
    assert polled(channel, account, cursor)[:2] == ([], cursor)
    ivan.writes("четыре")
    assert polled(channel, account, cursor)[0] == ["четыре"]


def test_a_found_message_names_the_client_and_the_advert(channel: Avito, account: Account, ivan: Buyer) -> None:
    ivan.writes("Торг?")
    (found,) = channel.poll(account, "", lambda: False).happened
    assert isinstance(found, Incoming)
    assert (found.sender.name, found.chat_name, found.by) == ("Иван", "Иван · Велосипед", "client")
    assert found.chat_url.startswith("https://avito.ru/demo_")


@pytest.mark.parametrize("is_bare", [True, False])
def test_a_gap_of_several_pages_is_walked_through(
    avito: AvitoServer, channel: Avito, account: Account, ivan: Buyer, is_bare: bool
) -> None:
    avito.build.bare_messages = is_bare
    ivan.writes("до")
    _, cursor, _ = polled(channel, account)
    said = [str(number) for number in range(250)]
    for text in said:
        ivan.writes(text)
    assert polled(channel, account, cursor)[0] == said


def test_many_chats_are_all_looked_at(channel: Avito, account: Account, shop: Seller) -> None:
    for number in range(130):
        shop.buyer(f"Клиент {number}").writes(str(number))
    assert sorted(polled(channel, account)[0]) == sorted(map(str, range(130)))


def test_what_was_said_before_the_account_was_made_is_not_brought_in(
    avito: AvitoServer, channel: Avito, account: Account, ivan: Buyer
) -> None:
    ivan.writes("давно")
    avito.clock.advance(3600)
    later = replace(account, created_at=int(avito.clock.now()))
    ivan.writes("теперь")
    assert polled(channel, later)[0] == ["теперь"]


def test_what_staff_opened_in_avitos_program_is_found_too(channel: Avito, account: Account, ivan: Buyer) -> None:
    ivan.writes("Торг?")
    channel.mark_read(account, chat_of(ivan))
    assert polled(channel, account)[0] == ["Торг?"]


def test_a_round_that_is_stopped_keeps_what_it_found(channel: Avito, account: Account, shop: Seller) -> None:
    for number in range(3):
        shop.buyer(f"Клиент {number}").writes(str(number))
    turns = iter([False, True])
    found = channel.poll(account, "", lambda: next(turns))
    assert (len(found.happened), found.pause_s) == (1, 0.0)
    texts, _, _ = polled(channel, account, found.cursor)
    assert len(texts) == 2


def hear(channel: Avito, account: Account, avito: AvitoServer) -> Sequence[Any]:
    """Give the channel every webhook that was brought, wherever it was brought to."""
    assert avito.wait_quiet()
    return [one for delivery in avito.deliveries for one in channel.read_hook(account, delivery.body)]


def test_avito_is_asked_more_often_while_its_webhook_misses_something(
    avito: AvitoServer, channel: Avito, account: Account, ivan: Buyer
) -> None:
    _, cursor, pause_s = polled(channel, account)
    assert pause_s == USUAL_S
    ivan.writes("без вебхука")
    _, cursor, pause_s = polled(channel, account, cursor)
    assert pause_s == IN_DOUBT_S
    channel.attach(account)
    ivan.writes("с вебхуком")
    assert [one.text for one in hear(channel, account, avito)] == ["с вебхуком"]
    assert polled(channel, account, cursor)[2] == WELL_S


def reads(channel: Avito, account: Account, cursor: str) -> tuple[list[ReadUpTo], str, float]:
    found = channel.poll(account, cursor, lambda: False)
    return [one for one in found.happened if isinstance(one, ReadUpTo)], found.cursor, found.pause_s


def test_an_answer_that_the_client_reads_later_is_told_once(
    avito: AvitoServer, channel: Avito, account: Account, ivan: Buyer
) -> None:
    """No webhook tells it, and the chat does not change by it."""
    ivan.writes("Торг?")
    (part,) = channel.parts(Outgoing("k", chat_of(ivan), "Да"))
    channel.deliver(account, chat_of(ivan), part)
    found, cursor, _ = reads(channel, account, "")
    assert found == []
    found, cursor, pause_s = reads(channel, account, cursor)
    assert (found, pause_s <= USUAL_S) == ([], True), "asked again soon, however well the webhook does"
    ivan.writes("Ещё вопрос")
    found, cursor, _ = reads(channel, account, cursor)
    assert found == []
    ivan.reads()
    (read,), cursor, _ = reads(channel, account, cursor)
    assert (read.chat_id, read.at) == (chat_of(ivan), ivan.chat.messages[1].read_at)
    assert reads(channel, account, cursor)[0] == []


def test_whether_clients_have_read_is_asked_for_a_few_at_a_time_and_not_for_ever(
    avito: AvitoServer, channel: Avito, account: Account, shop: Seller
) -> None:
    buyers = [shop.buyer(f"Клиент {number}") for number in range(READS_A_ROUND * 2)]
    for buyer in buyers:
        buyer.writes("Торг?")
        shop.writes(buyer.chat, "Да")
    _, cursor, _ = reads(channel, account, "")
    for buyer in buyers:
        buyer.reads()
    first, cursor, _ = reads(channel, account, cursor)
    second, cursor, _ = reads(channel, account, cursor)
    assert len(first) == len(second) == READS_A_ROUND
    assert {read.chat_id for read in first + second} == {chat_of(buyer) for buyer in buyers}
    old = json.dumps({"since": account.created_at, "unread": {buyers[0].chat.id: ["gone", 1]}})
    assert "gone" not in channel.poll(account, old, lambda: False).cursor


# --- out


def test_a_long_answer_arrives_whole(channel: Avito, account: Account, ivan: Buyer) -> None:
    text = "слово " * 400
    for part in channel.parts(Outgoing("k", chat_of(ivan), text)):
        (message_id,) = channel.deliver(account, chat_of(ivan), part)
        assert message_id == ivan.shown[-1].id
    assert " ".join(message.text for message in ivan.shown).split() == text.split()


def test_a_picture_is_uploaded_and_sent(avito: AvitoServer, channel: Avito, account: Account, ivan: Buyer) -> None:
    ivan.sends_image()
    (told,) = channel.poll(account, "", lambda: False).happened
    assert isinstance(told, Incoming)
    url = told.files[0].ref.removeprefix("image:")  # any file that can be fetched
    (part,) = channel.parts(Outgoing("k", chat_of(ivan), "", (OutgoingFile("фото.png", "image/png", len(PNG), url),)))
    channel.deliver(account, chat_of(ivan), part)
    assert ivan.shown[-1].type == "image"


def test_what_avito_does_not_take_is_refused_with_its_reason(channel: Avito, account: Account, ivan: Buyer) -> None:
    file = OutgoingFile("смета.pdf", "application/pdf", 10, "http://127.0.0.1:9/")
    (part,) = channel.parts(Outgoing("k", chat_of(ivan), "", (file,)))
    with pytest.raises(DeliveryFailed, match=r"«смета\.pdf» не отправлен") as caught:
        channel.deliver(account, chat_of(ivan), part)
    assert caught.value.final


def test_a_lost_answer_is_found_again(avito: AvitoServer, channel: Avito, account: Account, ivan: Buyer) -> None:
    part = Part(0, "text", "Да, есть")
    avito.faults.lose("answer", "/messages")
    with pytest.raises(DeliveryFailed) as caught:
        channel.deliver(account, chat_of(ivan), part)
    assert caught.value.status is None and not caught.value.final
    doubt = Doubt(int(avito.clock.now()))
    assert channel.find_sent(account, chat_of(ivan), part, doubt) == (ivan.shown[-1].id,)
    assert channel.find_sent(account, chat_of(ivan), Part(0, "text", "Нет"), doubt) == ()


def test_an_answer_is_taken_back_within_the_hour(channel: Avito, account: Account, ivan: Buyer) -> None:
    (message_id,) = channel.deliver(account, chat_of(ivan), Part(0, "text", "Ой"))
    channel.delete(account, chat_of(ivan), message_id)
    channel.delete(account, chat_of(ivan), "0" * 32)  # what is gone is gone


def test_reading_is_shown_to_the_client_and_a_missing_right_asked_for_once(
    avito: AvitoServer, channel: Avito, account: Account, ivan: Buyer
) -> None:
    ivan.writes("Торг?")
    channel.mark_read(account, chat_of(ivan))
    assert not ivan.chat.unread
    avito.faults.refuse(403, "/read", times=9)
    for _ in range(3):
        channel.mark_read(account, chat_of(ivan))
    assert len(avito.calls_to("/read")) == 3  # one that went, and one with each of two tokens


# --- chats and files


def test_a_chat_is_described_with_its_advert(channel: Avito, account: Account, ivan: Buyer) -> None:
    card = channel.describe(account, chat_of(ivan))
    assert (card.name, card.client_name) == ("Иван · Велосипед", "Иван")
    assert card.about.startswith("Велосипед\n12 000 ₽\nhttps://avito.ru/demo_")


def test_a_chat_that_may_not_be_asked_for_is_shown_without_its_card(
    avito: AvitoServer, channel: Avito, account: Account, ivan: Buyer
) -> None:
    avito.faults.refuse(403, "/chats", times=9)
    for _ in range(2):
        assert channel.describe(account, chat_of(ivan)).name == "Клиент Avito"
    assert len(avito.calls_to(ivan.chat.id)) == 2


def read(content: Content) -> bytes:
    return b"".join(content.blocks)


def test_pictures_and_voices_are_streamed(channel: Avito, account: Account, ivan: Buyer) -> None:
    ivan.sends_image(PNG)
    ivan.sends_voice(b"opus")
    refs = [one.files[0].ref for one in channel.poll(account, "", lambda: False).happened if isinstance(one, Incoming)]
    assert [read(channel.open_file(account, ref)) for ref in refs] == [PNG, b"opus"]


@pytest.mark.parametrize(
    "ref", ["image:http://127.0.0.1:9/secret", "image:https://avito.st.evil.ru/a", "voice:unknown", "other:x", ""]
)
def test_only_avitos_own_files_are_opened(channel: Avito, account: Account, ref: str) -> None:
    with pytest.raises(DeliveryFailed, match="больше недоступен") as caught:
        channel.open_file(account, ref)
    assert caught.value.final


def test_a_cursor_is_what_it_says(channel: Avito, account: Account, ivan: Buyer) -> None:
    message = ivan.writes("Торг?")
    kept = json.loads(channel.poll(account, "", lambda: False).cursor)
    assert kept == {"since": message.created, "last": {ivan.chat.id: message.id}, "unread": {}}
