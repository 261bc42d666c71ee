"""Updates of Telegram as what happened. The payloads are those of the Bot API's own shapes, one for each kind."""

from __future__ import annotations

import json
from typing import Any

import pytest

from python_bot.channels.base import ChatChanged, Incoming, IncomingFile
from python_bot.channels.telegram.content import DOWNLOAD_BYTES, KINDS, SERVICE
from python_bot.channels.telegram.inbound import read_hook, read_update
from python_bot.errors import BadEvent

BOT = "7000000001"
OLGA = {"id": 5200000123, "is_bot": False, "first_name": "Olga", "last_name": "Test", "username": "olga_t"}
CHAT = {"id": 5200000123, "type": "private", "first_name": "Olga", "last_name": "Test", "username": "olga_t"}
GROUP = {"id": -1002000000001, "type": "supergroup", "title": "Дачники", "is_forum": True}
FILE = {"file_id": "F1", "file_unique_id": "u1", "file_size": 500}
MAP = "https://yandex.ru/maps/?pt=37.62,55.75&z=16"


def update(kind: str = "message", **members: Any) -> dict[str, Any]:
    message = {"message_id": 41, "from": OLGA, "chat": CHAT, "date": 1790000000, **members}
    return {"update_id": 700100001, kind: message}


def said(kind: str = "message", **members: Any) -> Incoming:
    (found,) = read_update(BOT, update(kind, **members))
    assert isinstance(found, Incoming)
    return found


def test_a_text_has_who_where_when_and_its_numbers() -> None:
    found = said(text="Здравствуйте! Есть в наличии? 😀", entities=[])
    assert found.key == "u700100001" and found.change == "message" and found.by == "client"
    assert (found.chat_id, found.message_id, found.sent_at) == ("tg:5200000123", "5200000123:41", 1790000000)
    assert (found.sender.id, found.sender.name, found.sender.last_name) == ("tg:5200000123", "Olga", "Test")
    assert found.sender.url == found.chat_url == "https://t.me/olga_t"
    assert found.text == "Здравствуйте! Есть в наличии? 😀"


PHOTOS = [FILE | {"file_id": "S", "width": 90, "height": 67}, FILE | {"file_id": "B", "width": 1280, "height": 960}]
SHOWN: dict[str, tuple[dict[str, Any], str, tuple[str, str, str] | None]] = {
    "text": ({"text": "Да"}, "Да", None),
    "photo": ({"photo": PHOTOS, "caption": "вот"}, "вот", ("B", "photo_u1.jpg", "image/jpeg")),
    "live_photo": ({"live_photo": {}, "photo": PHOTOS}, "", ("B", "photo_u1.jpg", "image/jpeg")),
    "document": (
        {"document": FILE | {"file_name": "смета.xlsx"}},
        "",
        ("F1", "смета.xlsx", "application/octet-stream"),
    ),
    "animation": (
        {"animation": FILE | {"mime_type": "video/mp4"}, "document": FILE | {"file_id": "D"}},
        "",
        ("F1", "animation_u1.mp4", "video/mp4"),
    ),
    "video": ({"video": FILE, "caption": "как ехать"}, "как ехать", ("F1", "video_u1.mp4", "video/mp4")),
    "video_note": ({"video_note": FILE}, "", ("F1", "video_note_u1.mp4", "video/mp4")),
    "voice": ({"voice": FILE | {"mime_type": "audio/ogg"}}, "", ("F1", "voice_u1.ogg", "audio/ogg")),
    "audio": ({"audio": FILE | {"file_name": "a.mp3"}}, "", ("F1", "a.mp3", "audio/mpeg")),
    "sticker": ({"sticker": FILE | {"emoji": "😀"}}, "Стикер 😀", ("F1", "sticker_u1.webp", "image/webp")),
    "location": ({"location": {"latitude": 55.75, "longitude": 37.62}}, f"Геопозиция\n{MAP}", None),
    "venue": (
        {
            "venue": {"location": {"latitude": 55.75, "longitude": 37.62}, "title": "Склад", "address": "Примерная, 1"},
            "location": {"latitude": 55.75, "longitude": 37.62},
        },
        f"Склад\nПримерная, 1\n{MAP}",
        None,
    ),
    "contact": (
        {"contact": {"phone_number": "79990000001", "first_name": "Пётр", "last_name": "Иванов"}},
        "Контакт: Пётр Иванов, +79990000001",
        None,
    ),
    "poll": (
        {"poll": {"question": "Когда?", "options": [{"text": "Завтра"}, {"text": "В среду"}]}},
        "Опрос: Когда?\n1. Завтра\n2. В среду",
        None,
    ),
    "dice": ({"dice": {"emoji": "🎯", "value": 6}}, "🎯 6", None),
    "story": ({"story": {"id": 3}}, "История: видно только в Telegram", None),
    "game": ({"game": {"title": "Змейка"}}, "Игра: видно только в Telegram", None),
    "invoice": ({"invoice": {"title": "Букет"}}, "Счёт: видно только в Telegram", None),
    "paid_media": (
        {"paid_media": {}, "caption": "новое"},
        "Платные фото или видео: видно только в Telegram\nновое",
        None,
    ),
    "checklist": ({"checklist": {}}, "Список дел: видно только в Telegram", None),
    "rich_message": ({"rich_message": {}}, "Оформленное сообщение: видно только в Telegram", None),
}


@pytest.mark.parametrize("kind", SHOWN)
def test_every_kind_is_shown(kind: str) -> None:
    members, words, file = SHOWN[kind]
    found = said(**members)
    assert found.text == words
    assert found.files == ((IncomingFile(*file, 500),) if file else ())


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in SHOWN])
def test_kinds_that_nobody_foresaw_more_of_are_named(kind: str) -> None:
    assert said(**{kind: {}}).text.endswith(": видно только в Telegram")


def test_a_kind_that_is_newer_than_this_program_is_named() -> None:
    assert said(hologram={"x": 1}, caption="смотрите").text == (
        "Сообщение вида «hologram»: видно только в Telegram\nсмотрите"
    )
    assert said().text == "Пустое сообщение: видно только в Telegram"


@pytest.mark.parametrize("kind", sorted(SERVICE - {"migrate_to_chat_id", "migrate_from_chat_id"}))
def test_what_nobody_said_is_nothing(kind: str) -> None:
    assert read_update(BOT, update(**{kind: {}})) == ()


def test_a_file_that_telegram_gives_no_bot_is_told_about() -> None:
    found = said(document=FILE | {"file_name": "фильм.mkv", "file_size": DOWNLOAD_BYTES + 1}, caption="вот он")
    assert found.files == ()
    assert "«фильм.mkv» (20 МБ) больше 20 МБ" in found.text and found.text.endswith("\nвот он")


def test_the_sticker_that_moves_is_shown_by_its_picture() -> None:
    found = said(sticker={"file_id": "T", "is_animated": True, "emoji": "👍", "thumbnail": FILE})
    assert found.text == "Стикер 👍" and found.files[0].ref == "F1"
    assert said(sticker={"file_id": "T", "is_animated": True}).files == ()
    assert said(sticker=FILE | {"is_video": True}).files[0].type == "video/webm"


def test_the_own_number_of_a_client_is_their_phone() -> None:
    found = said(contact={"phone_number": "79990000000", "first_name": "Olga", "user_id": OLGA["id"]})
    assert found.sender.phone == "+79990000000" and "номер самого клиента" in found.text
    assert said(contact={"phone_number": "112", "first_name": "SOS"}).sender.phone == ""


def test_parts_of_an_album_belong_together() -> None:
    assert said(photo=PHOTOS, media_group_id="139").album == "139"


def test_a_reply_quotes_what_it_answers() -> None:
    answered = {"message_id": 7, "from": {"id": 1, "first_name": "Бот"}, "chat": CHAT, "text": "Когда\nвам удобно?"}
    assert said(text="Завтра", reply_to_message=answered).text == ">> Бот: Когда вам удобно?\nЗавтра"
    found = said(text="Да", reply_to_message=answered, quote={"text": "вам удобно", "position": 6})
    assert found.text == ">> Бот: вам удобно\nДа"
    photo = {key: value for key, value in answered.items() if key != "text"} | {"photo": PHOTOS}
    assert said(text="Она", reply_to_message=photo).text == ">> Бот: photo_u1.jpg\nОна"
    elsewhere = {"origin": {"type": "channel", "chat": {"title": "Новости"}}, "photo": PHOTOS}
    assert said(text="Видели?", external_reply=elsewhere).text == ">> Новости: photo_u1.jpg\nВидели?"


@pytest.mark.parametrize(
    ("origin", "name"),
    [
        ({"type": "user", "sender_user": {"id": 1, "first_name": "Пётр"}}, "Пётр"),
        ({"type": "hidden_user", "sender_user_name": "Кто-то"}, "Кто-то"),
        ({"type": "chat", "sender_chat": {"title": "Соседи"}}, "Соседи"),
        ({"type": "channel", "chat": {"title": "Новости"}}, "Новости"),
    ],
)
def test_what_is_forwarded_says_from_whom(origin: dict[str, Any], name: str) -> None:
    assert said(text="Скидки", forward_origin=origin).text == f"Переслано, {name}:\nСкидки"


def test_the_source_of_a_client_is_kept() -> None:
    assert said(text="/start spring_sale").text == "/start\nИсточник: spring_sale"
    assert said(text="/start@shop_bot vk-ad-7").text == "/start\nИсточник: vk-ad-7"
    assert said(text="/start").text == "/start"
    assert said(text="/started too late").text == "/started too late"


def test_addresses_behind_words_are_shown() -> None:
    link = {"type": "text_link", "offset": 3, "length": 3, "url": "https://a.ru/x"}
    assert said(text="😀 вот тут", entities=[link, {"type": "bold", "offset": 0, "length": 2}]).text == (
        "😀 вот (https://a.ru/x) тут"
    )
    assert said(text="короче", entities=[link | {"offset": 90}]).text == "короче"


def test_an_edit_changes_the_same_message() -> None:
    found = said("edited_message", text="Ещё в наличии?", edit_date=1790000200)
    assert (found.change, found.message_id, found.sent_at) == ("edit", "5200000123:41", 1790000200)
    walk = {"latitude": 55.75, "longitude": 37.62, "live_period": 900}
    assert read_update(BOT, update("edited_message", location=walk)) == ()
    assert said(location=walk).text.startswith("Геопозиция, меняется\n")


def test_a_group_is_one_client_and_its_words_say_who_wrote_them() -> None:
    found = said(chat=GROUP, text="Почём навоз?")
    assert (found.sender.id, found.sender.name, found.chat_id) == ("tg:-1002000000001", "Дачники", "tg:-1002000000001")
    assert found.text == "Olga Test: Почём навоз?" and found.chat_name == "Дачники"
    boss = said(chat=GROUP, text="Тихо", sender_chat=GROUP, author_signature="Староста")
    assert boss.text == "Староста: Тихо"


def test_in_a_topic_everybody_is_themself_and_the_root_is_no_answered_message() -> None:
    root = {"message_id": 900, "chat": GROUP, "forum_topic_created": {"name": "Иван"}}
    members = {"chat": GROUP, "is_topic_message": True, "message_thread_id": 900, "text": "Да, в наличии"}
    found = said(**members, reply_to_message=root)
    assert (found.thread, found.sender.id, found.text) == ("900", "tg:5200000123", "Да, в наличии")
    assert said(**members, reply_to_message={"message_id": 900}).text == "Да, в наличии"
    assert said(**members | {"is_topic_message": False}).thread == ""


def test_what_the_bot_did_itself_is_nothing() -> None:
    own = {"id": int(BOT), "is_bot": True, "first_name": "Bridge"}
    assert read_update(BOT, update(**{"from": own, "text": "Ответ"})) == ()


@pytest.mark.parametrize(
    ("kind", "status", "state"),
    [
        ("private", "kicked", "blocked"),
        ("private", "member", "open"),
        ("supergroup", "left", "gone"),
        ("supergroup", "kicked", "gone"),
        ("group", "administrator", "open"),
    ],
)
def test_what_becomes_of_a_chat(kind: str, status: str, state: str) -> None:
    change = {"chat": CHAT | {"type": kind}, "from": OLGA, "date": 7, "new_chat_member": {"status": status}}
    (found,) = read_update(BOT, {"update_id": 5, "my_chat_member": change})
    assert found == ChatChanged("u5", "tg:5200000123", state, 7)  # type: ignore[arg-type]  # a word of the table above


def test_a_group_that_becomes_a_supergroup_goes_on_as_it() -> None:
    old, new = {"id": -5, "type": "group", "title": "Г"}, {"id": -1005, "type": "supergroup", "title": "Г"}
    for members in ({"chat": old, "migrate_to_chat_id": -1005}, {"chat": new, "migrate_from_chat_id": -5}):
        (found,) = read_update(BOT, update(**members))
        assert isinstance(found, ChatChanged)
        assert (found.chat_id, found.state, found.moved_to) == ("tg:-5", "moved", "tg:-1005")


@pytest.mark.parametrize(
    "told",
    [
        {},
        {"update_id": 1},
        {"update_id": 1, "hologram": {}},
        {"update_id": 1, "message": None},
        {"update_id": 1, "message": {"message_id": 0, "chat": CHAT, "text": "на миг"}},
        {"update_id": "1", "message": {}},
        {"update_id": 1, "my_chat_member": {"chat": CHAT}},
    ],
)
def test_what_cannot_be_understood_concerns_nobody(told: dict[str, Any]) -> None:
    assert read_hook(BOT, json.dumps(told).encode()) == ()


@pytest.mark.parametrize("value", [None, 7, "x", [], [7], {}, {"file_id": 7}, True])
@pytest.mark.parametrize("kind", [*KINDS, "from", "chat", "entities", "reply_to_message", "forward_origin", "quote"])
def test_no_shape_of_a_member_is_a_reason_to_fail(kind: str, value: object) -> None:
    read_update(BOT, update(**{"text": "x", kind: value}))
    read_update(BOT, update(**{kind: value}))


def test_a_hook_that_is_no_json_is_refused() -> None:
    with pytest.raises(BadEvent):
        read_hook(BOT, b"{")
    assert read_hook(BOT, b"[]") == ()
