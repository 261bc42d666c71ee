"""Recorded updates of Telegram, one file for each kind, as the operator reads them. "" is what concerns nobody."""

from __future__ import annotations

import json
from typing import Final

import pytest

from python_bot.channels.base import ChatChanged, Happened, Incoming
from python_bot.channels.telegram.inbound import read_hook, read_update
from tests.support import ROOT

FOLDER: Final = ROOT / "tests/fixtures/telegram"
BOT: Final = "7000000001"
READ: Final = {
    "album__document_1_of_2": "[Счёт № 1.pdf: application/pdf]",
    "album__document_2_of_2": "счета [Счёт № 2.pdf: application/pdf]",
    "album__photo_1_of_3": "две фотографии [photo_AQADal1x.jpg: image/jpeg]",
    "album__photo_2_of_3": "[photo_AQADal2x.jpg: image/jpeg]",
    "album__photo_3_of_3": "[photo_AQADal3x.jpg: image/jpeg]",
    "album__video_among_photos": "[video_AgADalv.mp4: video/mp4]",
    "animation__with_twin": "[cat.mp4: video/mp4]",
    "audio__music": "[waltz.mp3: audio/mpeg]",
    "business__connection": "",
    "business__deleted": "",
    "business__message": "",
    "callback_query__button": "",
    "channel_post__edited": "",
    "channel_post__text": "",
    "checklist__shown": "Список дел: видно только в Telegram",
    "contact__other": "Контакт: Пётр, +7 999 111-22-33",
    "contact__own": "Контакт: Ольга Тестова, +79990000000 (номер самого клиента)",
    "dice__thrown": "🎲 6",
    "document__hostile_name": "[.._.._etc_пароли_.exe: application/x-msdownload]",
    "document__nameless": "[document_AgADdn.bin: application/octet-stream]",
    "document__pdf": "подписано [Договор № 17 «Ромашка».pdf: application/pdf]",
    "document__too_large": "Файл «video.mov» (100 МБ) больше 20 МБ, Telegram не отдаёт такие ботам: "
    "попросите клиента прислать ссылку",
    "edited__caption": "edit: вот другое фото [photo_AQADph1x.jpg: image/jpeg]",
    "edited__live_location": "",
    "edited__media": "edit: вот другое [video_AgADvi2.mp4: video/mp4]",
    "edited__never_seen": "edit: чего мы не видели",
    "edited__nothing_to_be_seen": "edit: Здравствуйте! Ещё в наличии?",
    "edited__text": "edit: Здравствуйте! Ещё в наличии?",
    "ephemeral__message": "",
    "forward__from_channel": "Переслано, Новости магазина: ⏎ Распродажа [photo_AQADfwx.jpg: image/jpeg]",
    "forward__from_chat": "Переслано, Склад и магазин: ⏎ объявление",
    "forward__from_hidden_user": "Переслано, Пётр П.: ⏎ переслали мне",
    "forward__from_user": "Переслано, Иван Петров: ⏎ Он мне обещал скидку",
    "forward__of_the_bot": "Переслано, Bridge: ⏎ Есть на складе, привезём завтра",
    "forward__unknown_origin": "Переслано, Telegram: ⏎ откуда-то",
    "future__update": "",
    "game__offered": "Игра: видно только в Telegram",
    "group__anonymous_admin": "Старший: от имени группы",
    "group__left_member": "",
    "group__migrated": "tg:-2000000077 moved tg:-1002000000077",
    "group__migrates": "tg:-2000000077 moved tg:-1002000000077",
    "group__new_members": "",
    "group__pinned": "",
    "group__renamed": "",
    "group__text": "Мария Менеджер: /help@bridge_demo_bot",
    "group__thread_without_topic": "Мария Менеджер: >> Bridge: вопрос ⏎ ответ",
    "inline_query__typed": "",
    "invoice__shown": "Счёт: видно только в Telegram",
    "live_photo__with_photo": "[photo_AQADlpx.jpg: image/jpeg]",
    "location__live": "Геопозиция, меняется ⏎ https://yandex.ru/maps/?pt=37.618423,55.751244&z=16",
    "location__point": "Геопозиция ⏎ https://yandex.ru/maps/?pt=37.618423,55.751244&z=16",
    "message_reaction__like": "",
    "my_chat_member__added_to_group": "tg:-1002000000001 open",
    "my_chat_member__blocked": "tg:5200000123 blocked",
    "my_chat_member__kicked": "tg:-1002000000001 gone",
    "my_chat_member__promoted": "tg:-1002000000001 open",
    "my_chat_member__unblocked": "tg:5200000123 open",
    "my_chat_member__without_topics": "tg:-1002000000001 open",
    "paid_media__locked": "Платные фото или видео: видно только в Telegram",
    "photo__caption": "вот фото [photo_AQADph1x.jpg: image/jpeg]",
    "photo__plain": "[photo_AQADph2x.jpg: image/jpeg]",
    "poll__closed": "",
    "poll__regular": "Опрос: Когда удобно? ⏎ 1. Утром ⏎ 2. Вечером",
    "protected__text": "только для вас",
    "reply__to_a_photo": ">> Bridge: photo_AQADrpx.jpg ⏎ это не тот",
    "reply__to_another_chat": ">> Новости магазина: скидка 10% ⏎ эта скидка действует?",
    "reply__to_deleted": ">> Сообщение, которого больше нет ⏎ так да или нет?",
    "reply__to_the_bot": ">> Bridge: Есть на складе, привезём завтра ⏎ Отлично, жду",
    "reply__with_quote": ">> Bridge: привезём завтра ⏎ А сегодня можно?",
    "rich_message__without_text": "Оформленное сообщение: видно только в Telegram",
    "service__auto_delete": "",
    "service__pinned": "",
    "service__shared_user": "Клиент выбрал людей: видно только в Telegram",
    "service__write_access": "",
    "sticker__animated": "Стикер 🎉 [sticker_AQADthumb.webp: image/webp]",
    "sticker__static": "Стикер 👍 [sticker_AgADs1.webp: image/webp]",
    "sticker__video": "Стикер 😂 [sticker_AgADs3.webm: video/webm]",
    "sticker__without_emoji": "Стикер [sticker_AgADs4.webp: image/webp]",
    "story__forwarded": "История: видно только в Telegram",
    "text__bb_code": "[b]не жирный[/b] <b>тоже нет</b> &amp; [url=https://evil.example]сюда[/url]",
    "text__entities": "😀 жирный курсив подчёркнутый зачёркнутый скрытый код ссылка …",
    "text__link_preview": "https://example.org/item",
    "text__long": "яяяяяяяяяяяяяяяяяяяяяяяяяяяяяяяяяяяяяяяяяяяяяяяяяяяяяяяяяяяя…",
    "text__nameless": "привет",
    "text__plain": "Здравствуйте! Есть в наличии? 😀",
    "text__quote_and_code": "было так ⏎ print(1)",
    "text__start": "/start",
    "text__start_with_payload": "/start ⏎ Источник: vk_autumn-42",
    "text__via_bot": "Погода: +5",
    "topic__closed": "",
    "topic__created_by_the_bot": "",
    "topic__edited": "",
    "topic__general_hidden": "",
    "topic__general_text": "Мария Менеджер: всем привет",
    "topic__photo": "фото велосипеда [photo_AQADtpx.jpg: image/jpeg]",
    "topic__reopened": "",
    "topic__reply": ">> Bridge: красный? ⏎ нет, синий",
    "topic__text": "Да, в наличии",
    "unknown__future_kind": "Сообщение вида «hologram»: видно только в Telegram",
    "venue__with_twin": "Склад ⏎ ул. Примерная, 1 ⏎ https://yandex.ru/maps/?pt=37.618423,55.751244&z=16",
    "video__caption": "брак на 5-й секунде [IMG_1.MP4: video/mp4]",
    "video_note__round": "[video_note_AgADvn.mp4: video/mp4]",
    "voice__plain": "[voice_AgADvo.ogg: audio/ogg]",
}


def shown(found: Happened) -> str:
    """Words with their line ends marked, then files; what became of a chat."""
    if isinstance(found, ChatChanged):
        return f"{found.chat_id} {found.state} {found.moved_to}".strip()
    assert isinstance(found, Incoming)
    words = found.text if len(found.text) < 140 else f"{found.text[:60]}…"
    files = [f"[{file.name}: {file.type}]" for file in found.files]
    return f"{'edit: ' if found.change == 'edit' else ''}{' '.join([*filter(None, [words]), *files])}".replace(
        "\n", " ⏎ "
    )


def test_every_recorded_update_is_looked_at() -> None:
    assert set(READ) == {file.stem for file in FOLDER.glob("*.json")} - {"index"}


@pytest.mark.parametrize("name", READ)
def test_a_recorded_update_is_read_alike_by_poll_and_webhook(name: str) -> None:
    body = (FOLDER / f"{name}.json").read_bytes()
    found = read_update(BOT, json.loads(body))
    assert "".join(map(shown, found)) == READ[name]
    assert read_hook(BOT, body) == found
