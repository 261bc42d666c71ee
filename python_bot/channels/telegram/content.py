"""What a message of Telegram holds, as words and files for people. Pure.

Every kind is shown: what has neither words nor a file becomes a line that names it. The order of kinds matters: an
animation comes with a document, a venue with a location, a live photo with a photo, each the same thing twice.
Shapes: https://core.telegram.org/bots/api#message
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from ..base import IncomingFile

Body = Mapping[str, Any]
Content = tuple[str, tuple[IncomingFile, ...]]

DOWNLOAD_BYTES: Final = 20 * 1024 * 1024  # what Telegram gives a bot out; https://core.telegram.org/bots/api#getfile
_MAP: Final = "https://yandex.ru/maps/?pt={lon},{lat}&z=16"
_TYPES: Final = {
    "video/mp4": "mp4",
    "video/webm": "webm",
    "audio/ogg": "ogg",
    "audio/mpeg": "mp3",
    "audio/mp4": "m4a",
    "image/jpeg": "jpg",
    "image/png": "png",
    "image/webp": "webp",
    "image/gif": "gif",
    "application/pdf": "pdf",
    "application/zip": "zip",
    "text/plain": "txt",
}
_BAD_IN_NAMES: Final = re.compile(r"[\x00-\x1f\x7f/\\]+")  # a name is no path, whoever gave it
# Kinds that only Telegram itself can show, in the words of whoever reads them.
_ONLY_THERE: Final = {
    "game": "Игра",
    "invoice": "Счёт",
    "story": "История",
    "paid_media": "Платные фото или видео",
    "checklist": "Список дел",
    "rich_message": "Оформленное сообщение",
    "giveaway": "Розыгрыш",
    "giveaway_winners": "Итоги розыгрыша",
    "successful_payment": "Оплата прошла",
    "refunded_payment": "Оплата возвращена",
    "users_shared": "Клиент выбрал людей",
    "chat_shared": "Клиент выбрал чат",
    "web_app_data": "Данные из мини-приложения",
    "passport_data": "Данные Telegram Passport",
    "gift": "Подарок",
    "unique_gift": "Подарок",
}
# Members that tell something about a message, and are no kind of it.
_ABOUT_WORDS: Final = (
    "message_id message_thread_id direct_messages_topic from sender_chat sender_boost_count sender_business_bot"
    " sender_tag date business_connection_id chat forward_origin is_topic_message is_automatic_forward"
    " reply_to_message external_reply quote reply_to_story reply_to_checklist_task_id reply_to_poll_option_id via_bot"
    " edit_date has_protected_content is_from_offline is_paid_post media_group_id author_signature paid_star_count"
    " entities link_preview_options suggested_post_info effect_id caption caption_entities show_caption_above_media"
    " has_media_spoiler reply_markup forward_from forward_from_chat forward_from_message_id forward_signature"
    " forward_sender_name forward_date ephemeral_message_id receiver_user guest_bot_caller_user"
    " guest_bot_caller_chat guest_query_id text"
)
ABOUT: Final = frozenset(_ABOUT_WORDS.split())
# What the messenger itself notes in a chat: nobody said it.
_SERVICE_WORDS: Final = (
    "new_chat_members new_chat_member new_chat_participant left_chat_member left_chat_participant new_chat_title"
    " new_chat_photo delete_chat_photo group_chat_created supergroup_chat_created channel_chat_created"
    " message_auto_delete_timer_changed migrate_to_chat_id migrate_from_chat_id pinned_message connected_website"
    " write_access_allowed proximity_alert_triggered boost_added chat_background_set chat_owner_left"
    " chat_owner_changed forum_topic_created forum_topic_edited forum_topic_closed forum_topic_reopened"
    " general_forum_topic_hidden general_forum_topic_unhidden giveaway_created giveaway_completed"
    " video_chat_scheduled video_chat_started video_chat_ended video_chat_participants_invited"
    " paid_message_price_changed direct_message_price_changed checklist_tasks_done checklist_tasks_added"
    " community_chat_added community_chat_removed managed_bot_created poll_option_added poll_option_deleted"
)
SERVICE: Final = frozenset(_SERVICE_WORDS.split())


def read(message: Body) -> Content | None:
    """The words and files of a message; None for what nobody said."""
    if "text" in message:
        return with_links(text(message, "text"), items(message, "entities")), ()
    caption = with_links(text(message, "caption"), items(message, "caption_entities"))
    for kind, reader in _READERS.items():
        if kind in message:
            words, files = reader(message)
            return "\n".join(part for part in (words, caption) if part), files
    for kind, name in _ONLY_THERE.items():
        if kind in message:
            return _only_there(name, caption), ()
    kinds = [kind for kind in message if kind not in ABOUT and kind not in SERVICE]
    if not kinds and any(kind in SERVICE for kind in message):
        return None
    return _only_there(f"Сообщение вида «{kinds[0][:40]}»" if kinds else "Пустое сообщение", caption), ()


def is_live_location(message: Body) -> bool:
    """Whoever shares where they walk edits one message again and again."""
    return "live_period" in inner(message, "location")


def with_links(words: str, entities: Sequence[Body]) -> str:
    """Where a word hides an address, the address follows it; offsets count UTF-16 units."""
    hidden = [entity for entity in entities if entity.get("type") == "text_link" and text(entity, "url")]
    if not hidden:
        return words
    units = words.encode("utf-16-le", "surrogatepass")
    for entity in sorted(hidden, key=lambda entity: number(entity, "offset"), reverse=True):
        start = 2 * number(entity, "offset")
        end = start + 2 * number(entity, "length")
        label, url = units[start:end].decode("utf-16-le", "replace"), text(entity, "url")
        if 0 <= start < end <= len(units) and label.strip() not in (url, url.removesuffix("/")):
            units = units[:end] + f" ({url})".encode("utf-16-le", "surrogatepass") + units[end:]
    return units.decode("utf-16-le", "replace")


def gist(message: Body, limit: int = 200) -> str:
    """A message in one short line, for a quote of it; "" when nothing of it is told, such as of a deleted one."""
    found = read(message) if message.keys() - ABOUT or "text" in message else None
    words, files = found if found is not None else ("", ())
    line = " ".join((words or ", ".join(file.name for file in files)).split())
    return line if len(line) <= limit else f"{line[: limit - 1].rstrip()}…"


# --- members of unknown JSON, as what they have to be


def inner(body: Body, name: str) -> Body:
    value = body.get(name)
    return value if isinstance(value, dict) else {}


def items(body: Body, name: str) -> list[Body]:
    value = body.get(name)
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def text(body: Body, name: str) -> str:
    value = body.get(name)
    return value if isinstance(value, str) else ""


def number(body: Body, name: str) -> int:
    value = body.get(name)
    return int(value) if isinstance(value, int | float) and abs(value) < 2**63 else 0


# --- one reader for each kind


def _file(body: Body, stem: str, media: str) -> Content:
    """The file, or a line that says why it cannot be had. `media`: its type when the messenger names none."""
    media = text(body, "mime_type") or media
    name = (
        _BAD_IN_NAMES.sub("_", text(body, "file_name"))[-200:]
        or f"{stem}_{text(body, 'file_unique_id')}.{_TYPES.get(media, 'bin')}"
    )
    size = number(body, "file_size")
    if not text(body, "file_id"):
        return f"Файл «{name}»: виден только в Telegram", ()
    if size > DOWNLOAD_BYTES:
        return (
            f"Файл «{name}» ({size / 1_048_576:.0f} МБ) больше 20 МБ, Telegram не отдаёт такие ботам: "
            "попросите клиента прислать ссылку"
        ), ()
    return "", (IncomingFile(text(body, "file_id"), name, media, size),)


def _largest(sizes: Sequence[Body]) -> Body:
    return max(sizes, key=lambda size: number(size, "width") * number(size, "height"), default={})


def _photo(message: Body) -> Content:
    return _file(_largest(items(message, "photo")), "photo", "image/jpeg")


def _sticker(message: Body) -> Content:
    sticker = inner(message, "sticker")
    words = f"Стикер {text(sticker, 'emoji')}".rstrip()
    media = "video/webm" if sticker.get("is_video") is True else "image/webp"
    shown = inner(sticker, "thumbnail") if sticker.get("is_animated") is True else sticker
    if not text(shown, "file_id"):
        return words, ()
    problem, files = _file(shown, "sticker", media)
    return "\n".join(part for part in (words, problem) if part), files


def _location(message: Body) -> Content:
    words = "Геопозиция, меняется" if is_live_location(message) else "Геопозиция"
    return f"{words}\n{_on_map(inner(message, 'location'))}".rstrip(), ()


def _venue(message: Body) -> Content:
    venue = inner(message, "venue")
    lines = (text(venue, "title"), text(venue, "address"), _on_map(inner(venue, "location")))
    return "\n".join(line for line in lines if line) or "Место на карте", ()


def _on_map(place: Body) -> str:
    lat, lon = place.get("latitude"), place.get("longitude")
    is_known = isinstance(lat, int | float) and isinstance(lon, int | float)
    return _MAP.format(lat=lat, lon=lon) if is_known else ""


def _contact(message: Body) -> Content:
    contact = inner(message, "contact")
    name = f"{text(contact, 'first_name')} {text(contact, 'last_name')}".strip()
    own = " (номер самого клиента)" if own_phone(message) else ""
    return f"Контакт: {', '.join(part for part in (name, _phone(contact)) if part)}{own}", ()


def own_phone(message: Body) -> str:
    """The client's number when the client shared it by the messenger's button, else ''."""
    contact = inner(message, "contact")
    is_own = number(contact, "user_id") != 0 and number(contact, "user_id") == number(inner(message, "from"), "id")
    return _phone(contact) if is_own else ""


def _phone(contact: Body) -> str:
    phone = text(contact, "phone_number")
    return f"+{phone}" if phone.isascii() and phone.isdigit() and len(phone) >= 10 else phone


def _poll(message: Body) -> Content:
    poll = inner(message, "poll")
    options = [f"{place}. {text(option, 'text')}" for place, option in enumerate(items(poll, "options"), 1)]
    return "\n".join([f"Опрос: {text(poll, 'question')}", *options]), ()


def _dice(message: Body) -> Content:
    dice = inner(message, "dice")
    return f"{text(dice, 'emoji') or '🎲'} {number(dice, 'value')}", ()


def _plain_file(kind: str, media: str) -> Callable[[Body], Content]:
    return lambda message: _file(inner(message, kind), kind, media)


def _only_there(name: str, caption: str) -> str:
    return "\n".join(part for part in (f"{name}: видно только в Telegram", caption) if part)


_READERS: Final[Mapping[str, Callable[[Body], Content]]] = {
    "animation": _plain_file("animation", "video/mp4"),
    "live_photo": _photo,
    "photo": _photo,
    "video": _plain_file("video", "video/mp4"),
    "video_note": _plain_file("video_note", "video/mp4"),
    "voice": _plain_file("voice", "audio/ogg"),
    "audio": _plain_file("audio", "audio/mpeg"),
    "document": _plain_file("document", "application/octet-stream"),
    "sticker": _sticker,
    "venue": _venue,
    "location": _location,
    "contact": _contact,
    "poll": _poll,
    "dice": _dice,
}
KINDS: Final = ("text", *_READERS, *_ONLY_THERE)
