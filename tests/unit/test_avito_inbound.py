"""What Avito tells, word by word: webhooks of every version, every type of message, chats and their cards."""

from __future__ import annotations

import json
from typing import Any

import pytest

from python_bot.channels.avito.inbound import read_card, read_hook, read_message
from python_bot.channels.base import Incoming, IncomingFile, Person, ReadUpTo
from python_bot.errors import BadEvent

SHOP, CLIENT, CHAT = 141900001, 94200002, "u2i-AbC~dEf_0123-xyz"
PAGE = f"https://www.avito.ru/profile/messenger/channel/{CHAT}"
SIZES = {f"{size}": f"https://10.img.avito.st/{size}.jpg" for size in ("140x105", "1280x960", "640x480", "32x32")}


def value(kind: str = "text", content: object = None, **more: Any) -> dict[str, Any]:
    """The `value` of a webhook of version 3."""
    return {
        "id": "a1b2c3d4e5f60718293a4b5c6d7e8f90",
        "chat_id": CHAT,
        "user_id": SHOP,
        "author_id": CLIENT,
        "created": 1790000100,
        "type": kind,
        "chat_type": "u2i",
        "content": {"text": "Здравствуйте, торг уместен?"} if content is None else content,
        "item_id": 3500000001,
        "read": None,
        **more,
    }


def hook(told: object) -> list[Any]:
    return list(read_hook(str(SHOP), json.dumps(told).encode()))


def one(kind: str = "text", content: object = None, **more: Any) -> Incoming:
    (found,) = hook({"type": "message", "value": value(kind, content, **more)})
    assert isinstance(found, Incoming)
    return found


WRAPPED = {"id": "0d9c1c1e", "version": "v3.0.0", "timestamp": 1, "payload": {"type": "message", "value": value()}}
LEGACY = {key: value()[key] for key in ("id", "author_id", "created", "type", "content")}


@pytest.mark.parametrize(
    "told",
    [
        pytest.param(WRAPPED, id="version 3 in its envelope"),
        pytest.param({"type": "message", "value": value()}, id="without the envelope"),
        pytest.param({"payload": {"value": value()}}, id="without a type"),
        pytest.param({"chat_id": CHAT, "user_id": SHOP, "message": LEGACY}, id="one message on top"),
        pytest.param({"chat_id": CHAT, "messages": [LEGACY], "context": {}}, id="messages on top"),
        pytest.param(value(), id="the message itself"),
    ],
)
def test_every_envelope_tells_the_same(told: object) -> None:
    assert hook(told) == [
        Incoming(
            key="a1b2c3d4e5f60718293a4b5c6d7e8f90",
            change="message",
            chat_id=f"av:{CHAT}",
            message_id="a1b2c3d4e5f60718293a4b5c6d7e8f90",
            sent_at=1790000100,
            sender=Person(f"av:{CLIENT}", ""),
            text="Здравствуйте, торг уместен?",
        )
    ]


@pytest.mark.parametrize(
    "told",
    [{}, {"test": "payload"}, [], None, 7, {"payload": {"type": "chat", "value": value()}}, {"value": {"id": "x"}}],
)
def test_a_probe_and_what_is_no_message_tell_nothing(told: object) -> None:
    assert hook(told) == []


def test_a_message_of_another_account_tells_nothing() -> None:
    assert hook({"type": "message", "value": value(user_id=7)}) == []


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b"[" * 100_000])
def test_what_is_no_json_is_said_so(body: bytes) -> None:
    with pytest.raises(BadEvent, match="not JSON"):
        read_hook(str(SHOP), body)


@pytest.mark.parametrize(
    ("kind", "content", "text"),
    [
        ("link", {"link": {"text": "example.org", "url": "https://example.org", "preview": None}},
         "example.org\nhttps://example.org"),
        ("link", {"link": {"text": "https://e.org", "url": "https://e.org", "preview": {"title": "Пример"}}},
         "Пример\nhttps://e.org"),
        ("item", {"item": {"title": "Велосипед", "item_url": "https://avito.ru/demo_2", "price_string": None}},
         "Велосипед\nhttps://avito.ru/demo_2"),
        ("location", {"location": {"lat": 55.75, "lon": 37.61, "title": "Москва", "text": "Примерная ул., 1"}},
         "Москва\nПримерная ул., 1\nhttps://yandex.ru/maps/?pt=37.61,55.75&z=16"),
        ("call", {"call": {"status": "missed", "target_user_id": SHOP}}, "Пропущенный звонок"),
        ("appCall", {}, f"Звонок в приложении Avito: показывает только сам Avito\n{PAGE}"),
        ("file", {}, f"Файл: показывает только сам Avito\n{PAGE}"),
        ("video", {}, f"Видео: показывает только сам Avito\n{PAGE}"),
        ("hologram", {"x": 1}, f"Сообщение вида «hologram»: показывает только сам Avito\n{PAGE}"),
        ("image", {"image": {"sizes": {}}}, f"Фото: показывает только сам Avito\n{PAGE}"),
        ("link", {}, f"Сообщение вида «link»: показывает только сам Avito\n{PAGE}"),
        ("text", {"text": "  "}, f"Пустое сообщение: показывает только сам Avito\n{PAGE}"),
        ("text", None, "Здравствуйте, торг уместен?"),
    ],
)  # fmt: skip
def test_every_type_of_message_says_something(kind: str, content: object, text: str) -> None:
    shown = one(kind, content)
    assert (shown.text, shown.files, shown.by) == (text, (), "client")


def test_a_picture_is_its_largest_size() -> None:
    assert one("image", {"image": {"sizes": SIZES}}).files == (
        IncomingFile("image:https://10.img.avito.st/1280x960.jpg", "avito-a1b2c3d4.jpg", "image/jpeg"),
    )


def test_a_picture_keeps_its_format() -> None:
    (file,) = one("image", {"image": {"sizes": {"9x9": "https://10.img.avito.st/a.PNG?s=1"}}}).files
    assert (file.name, file.type) == ("avito-a1b2c3d4.png", "image/png")


def test_a_voice_message_is_a_file_found_by_its_id() -> None:
    shown = one("voice", {"voice": {"voice_id": "11111111-2222"}})
    assert shown.files == (IncomingFile("voice:11111111-2222", "voice.mp4", "audio/mp4"),)


def test_a_deleted_message_is_a_change_of_its_own() -> None:
    gone = one("deleted", {})
    assert (gone.change, gone.key) == ("delete", "a1b2c3d4e5f60718293a4b5c6d7e8f90:deleted")
    assert (gone.message_id, gone.text) == ("a1b2c3d4e5f60718293a4b5c6d7e8f90", "")


def test_what_the_shop_wrote_is_the_teams() -> None:
    assert one(author_id=SHOP).by == "staff"


@pytest.mark.parametrize("more", [{"author_id": 0}, {"author_id": None}, {"chat_type": "a2u"}])
def test_avitos_own_words_are_a_notice(more: dict[str, Any]) -> None:
    assert one(**more).by == "system"


def test_a_system_message_is_a_notice() -> None:
    notice = one("system", {"text": "[Системное сообщение] Покупатель оставил телефон", "flow_id": "x"}, author_id=0)
    assert (notice.by, notice.sender) == ("system", Person("av:0", "Avito"))
    assert notice.text == "[Системное сообщение] Покупатель оставил телефон"


def test_the_client_having_read_is_told_with_what_the_shop_wrote() -> None:
    message = {**LEGACY, "author_id": SHOP, "direction": "out", "read": 1790000140}
    words, read = read_message(str(SHOP), CHAT, message)
    assert isinstance(words, Incoming) and words.by == "staff"
    assert read == ReadUpTo("read:a1b2c3d4e5f60718293a4b5c6d7e8f90", f"av:{CHAT}", 1790000140)


CHAT_WITH_ADVERT = {
    "id": CHAT,
    "context": {"type": "item", "value": {"id": 1, "title": "Велосипед горный", "price_string": "12 000 ₽",
                                          "url": "https://avito.ru/demo_1", "user_id": SHOP}},
    "users": [{"id": SHOP, "name": "Демо"}, {"id": CLIENT, "name": "Иван"}],
}  # fmt: skip


def test_a_card_names_client_advert_price_and_link() -> None:
    card = read_card(str(SHOP), CHAT_WITH_ADVERT)
    assert (card.name, card.client_name, card.client_id) == ("Иван · Велосипед горный", "Иван", f"av:{CLIENT}")
    assert (card.about, card.url) == ("Велосипед горный\n12 000 ₽\nhttps://avito.ru/demo_1", "https://avito.ru/demo_1")


@pytest.mark.parametrize("chat", [{"id": CHAT}, {"id": CHAT, "context": None, "users": [{"id": 94200003, "name": ""}]}])
def test_a_card_does_without_advert_and_name(chat: dict[str, Any]) -> None:
    card = read_card(str(SHOP), chat)
    assert (card.name, card.client_name, card.about, card.url) == ("Клиент Avito", "", "", PAGE)


def test_a_known_card_names_the_client() -> None:
    (shown,) = read_message(str(SHOP), CHAT, LEGACY, read_card(str(SHOP), CHAT_WITH_ADVERT))
    assert isinstance(shown, Incoming)
    assert (shown.sender.name, shown.chat_name, shown.chat_url) == (
        "Иван", "Иван · Велосипед горный", "https://avito.ru/demo_1")  # fmt: skip


@pytest.mark.parametrize(
    "message", [{}, {"id": 5}, {"id": "m", "content": [], "type": 3, "created": "x", "author_id": True}]
)
def test_nonsense_never_raises(message: dict[str, Any]) -> None:
    list(read_message(str(SHOP), CHAT, message))
