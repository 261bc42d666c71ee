"""What Avito tells, as what happened: webhooks of any version, and messages that were asked for. Pure.

A webhook and the list of a chat's messages name the same message by the same id, which is the key of both: whoever
tells it second tells nothing new. Shapes: https://developers.avito.ru/api-catalog/messenger/documentation
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final
from urllib.parse import quote, urlsplit

from ...errors import BadEvent
from ..base import ChatCard, Happened, Incoming, IncomingFile, Person, ReadUpTo, Speaker

PREFIX: Final = "av:"  # of people and chats: numbers of another messenger never meet these
CHAT_PAGE: Final = "https://www.avito.ru/profile/messenger/channel/"
_MAP: Final = "https://yandex.ru/maps/?pt={lon},{lat}&z=16"
_TYPES: Final = {"png": "image/png", "gif": "image/gif", "webp": "image/webp", "bmp": "image/bmp"}
_NAMES: Final = {
    "file": "Файл",
    "video": "Видео",
    "appCall": "Звонок в приложении Avito",
    "image": "Фото",
    "voice": "Голосовое сообщение",
    "text": "Пустое сообщение",
}
_SIZE: Final = re.compile(r"(\d{1,5})x(\d{1,5})")

Body = Mapping[str, Any]


def read_hook(user_id: str, body: bytes) -> Sequence[Happened]:
    """One request to our webhook; `user_id` is the account's own number at Avito.

    () for a probe ('{}'), for what is no message, and for a message of another account. Raises BadEvent for no JSON.
    """
    try:
        told = json.loads(body)
    except (ValueError, RecursionError):
        raise BadEvent("Avito's webhook: the body is not JSON") from None
    found: list[Happened] = []
    for value in _values(told):
        owner = _number(value.get("user_id"))
        if owner in ("", user_id) and (chat_id := _word(value.get("chat_id"))):
            found.extend(read_message(user_id, chat_id, value))
    return found


def read_message(user_id: str, chat_id: str, message: Body, card: ChatCard | None = None) -> Iterator[Happened]:
    """One message of a chat, as a webhook's `value` or as GET /messenger/v3/…/messages/ has it.

    `chat_id` is Avito's own ('u2i-AbC~dEf'); `card`: what is known of the chat.
    """
    message_id, kind = _word(message.get("id")), _word(message.get("type"))
    if not message_id:
        return
    author = _number(message.get("author_id"))
    by = _speaker(user_id, chat_id, author, kind, message)
    ours = PREFIX + chat_id
    name = card.client_name if card and by == "client" else ""
    sender = Person(f"{PREFIX}0", "Avito") if by == "system" else Person(PREFIX + author, name)
    is_gone = kind == "deleted"
    content = message.get("content")
    text, files = ("", ()) if is_gone else read_content(kind, content if isinstance(content, dict) else {}, message_id)
    if not is_gone and not text and not files:
        text = _cannot_show(kind, chat_id)
    yield Incoming(
        key=f"{message_id}:deleted" if is_gone else message_id,
        change="delete" if is_gone else "message",
        chat_id=ours,
        message_id=message_id,
        sent_at=_seconds(message.get("created")),
        sender=sender,
        text=text,
        files=files,
        by=by,
        chat_name=card.name if card else "",
        chat_url=card.url if card else "",
    )
    if by == "staff" and (read_at := _seconds(message.get("read"))):
        yield ReadUpTo(f"read:{message_id}", ours, read_at)


def read_content(kind: str, content: Body, message_id: str) -> tuple[str, tuple[IncomingFile, ...]]:
    """The words and files of a message; ("", ()) for what has neither, or is of no known shape."""
    if kind in ("text", "system"):
        return _word(content.get("text")), ()
    if kind == "image":
        address = _largest(_inner(_inner(content, "image"), "sizes"))
        ending = urlsplit(address).path.rpartition(".")[2].lower()
        media = _TYPES.get(ending, "image/jpeg")
        name = f"avito-{message_id[:8]}.{ending if ending in _TYPES else 'jpg'}"
        return "", (IncomingFile(f"image:{address}", name, media),) if address else ()
    if kind == "voice":
        voice_id = _word(_inner(content, "voice").get("voice_id"))
        return "", (IncomingFile(f"voice:{voice_id}", "voice.mp4", "audio/mp4"),) if voice_id else ()
    reader = _READERS.get(kind)
    return (reader(content) if reader else ""), ()


def read_card(user_id: str, chat: Body) -> ChatCard:
    """The card of a chat, as GET /messenger/v2/… has it: the advert may be missing, the client may be nameless."""
    item = _inner(_inner(chat, "context"), "value")
    people = [person for person in _list(chat.get("users")) if _number(person.get("id")) != user_id]
    client: Body = people[0] if len(people) == 1 else {}
    name = _word(client.get("name"))
    title, price, url = _word(item.get("title")), _word(item.get("price_string")), _word(item.get("url"))
    client_id = _number(client.get("id"))
    return ChatCard(
        name=" · ".join(part for part in (name or "Клиент Avito", title) if part),
        client_name=name,
        client_id=PREFIX + client_id if client_id else "",
        about="\n".join(part for part in (title, price, url) if part),
        url=url or page_of(_word(chat.get("id"))),
    )


def page_of(chat_id: str) -> str:
    """Where staff reads this chat at Avito itself."""
    return CHAT_PAGE + quote(chat_id, safe="~")


def _speaker(user_id: str, chat_id: str, author: str, kind: str, message: Body) -> Speaker:
    if kind == "system" or author in ("", "0") or chat_id.startswith("a2u") or message.get("chat_type") == "a2u":
        return "system"
    return "staff" if author == user_id or message.get("direction") == "out" else "client"


def _values(told: object) -> Iterator[Body]:
    """Envelopes: {"payload": {"type": "message", "value": …}}, the same without `payload`, and those of versions 1 and
    2, which have `message`, `messages`, or the message itself on top."""
    if not isinstance(told, dict):
        return
    inner = told["payload"] if isinstance(told.get("payload"), dict) else told
    if isinstance(inner.get("value"), dict):
        if inner.get("type", "message") == "message":
            yield inner["value"]
        return
    chat = {key: inner[key] for key in ("chat_id", "user_id") if key in inner}
    several = _list(inner.get("messages"))
    if isinstance(inner.get("message"), dict):
        several.append(inner["message"])
    if not several and "id" in inner and "chat_id" in inner:
        several.append(inner)
    for value in several:
        yield {**chat, **value}


def _link(content: Body) -> str:
    link = _inner(content, "link")
    title = _word(_inner(link, "preview").get("title"))
    return _lines(title, _word(link.get("text")), _word(link.get("url")))


def _item(content: Body) -> str:
    item = _inner(content, "item")
    return _lines(_word(item.get("title")), _word(item.get("price_string")), _word(item.get("item_url")))


def _location(content: Body) -> str:
    place = _inner(content, "location")
    lat, lon = place.get("lat"), place.get("lon")
    is_known = isinstance(lat, int | float) and isinstance(lon, int | float)
    return _lines(
        _word(place.get("title")), _word(place.get("text")), _MAP.format(lat=lat, lon=lon) if is_known else ""
    )


def _call(content: Body) -> str:
    return "Пропущенный звонок" if _inner(content, "call").get("status") == "missed" else "Звонок"


def _cannot_show(kind: str, chat_id: str) -> str:
    what = _NAMES.get(kind) or f"Сообщение вида «{kind[:40]}»"
    return f"{what}: показывает только сам Avito\n{page_of(chat_id)}"


_READERS: Final[Mapping[str, Callable[[Body], str]]] = {
    "link": _link,
    "item": _item,
    "location": _location,
    "call": _call,
}


def _lines(*parts: str) -> str:
    """Those that say something, each once: the text of a link is often its address without the scheme."""
    kept: list[str] = []
    for part in parts:
        if part and not any(part == other for other in kept):
            kept.append(part)
    return "\n".join(kept)


def _largest(sizes: Body) -> str:
    """The address of the picture with the largest area: {"1280x960": url, …}."""
    known = [
        (int(found[1]) * int(found[2]), _word(url)) for size, url in sizes.items() if (found := _SIZE.fullmatch(size))
    ]
    return max(known, default=(0, ""))[1]


def _inner(value: Body, name: str) -> Body:
    inner = value.get(name)
    return inner if isinstance(inner, dict) else {}


def _list(value: object) -> list[Body]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _word(value: object) -> str:
    return value.strip() if isinstance(value, str) else ""


def _number(value: object) -> str:
    """Numbers of people; some may be hashed, so that words are taken too."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else _word(value)


def _seconds(value: object) -> int:
    return int(value) if isinstance(value, int | float) and not isinstance(value, bool) and value > 0 else 0
