"""What operators read in a dialog about its delivery, in the portal's language."""

from __future__ import annotations

from typing import Final

_RUSSIAN_ZONES: Final = (".ru", ".by", ".kz", ".uz")

_CHAT: Final = {
    "en": {
        "open": "The client can be written to again.",
        "blocked": "The client has blocked the bot: messages do not reach them until they write again.",
        "gone": "The chat was deleted in the messenger: messages do not reach the client.",
        "moved": "The chat has moved to another number in the messenger; messages go there.",
    },
    "ru": {
        "open": "Клиенту снова можно писать.",
        "blocked": "Клиент заблокировал бота: сообщения не дойдут, пока он не напишет сам.",
        "gone": "Чат удалён в мессенджере: сообщения клиенту не доходят.",
        "moved": "Чат в мессенджере получил другой номер, сообщения отправляются туда.",
    },
}
_NOT_DELIVERED: Final = {"en": "Not delivered to the client: {}", "ru": "Клиенту не доставлено: {}"}
_NOT_CHANGED: Final = {
    "en": "The client still sees the former text: {}",
    "ru": "Клиент по-прежнему видит прежний текст: {}",
}
_NOT_DELETED: Final = {"en": "The client still sees the message: {}", "ru": "Клиент по-прежнему видит сообщение: {}"}
_CANNOT_EDIT: Final = {
    "en": "{} does not let sent messages be changed; send a correction",
    "ru": "{} не позволяет менять отправленное; отправьте исправление новым сообщением",
}
_CANNOT_DELETE: Final = {
    "en": "{} does not let sent messages be deleted",
    "ru": "{} не позволяет удалять отправленное",
}
_DELETED_THERE: Final = {
    "en": "🗑 A message was deleted in the messenger",
    "ru": "🗑 В мессенджере удалили сообщение",
}
_HOW_FAR: Final = {"en": "{} of {} parts arrived", "ru": "дошло частей: {} из {}"}
_NOTHING_TO_SHOW: Final = {
    "en": "{} cannot show anything of this message",
    "ru": "{} не может показать ничего из этого сообщения",
}


def language_of(portal: str) -> str:
    """'https://acme.bitrix24.ru' -> 'ru'. A portal of one's own speaks Russian, as most of them do."""
    host = portal.partition("://")[2].partition("/")[0].partition(":")[0]
    return "en" if "bitrix24." in host and not host.endswith(_RUSSIAN_ZONES) else "ru"


def chat_changed(state: str, language: str) -> str:
    return _CHAT[language][state]


def not_delivered(reason: str, language: str) -> str:
    return _NOT_DELIVERED[language].format(reason)


def not_changed(reason: str, language: str) -> str:
    return _NOT_CHANGED[language].format(reason)


def not_deleted(reason: str, language: str) -> str:
    return _NOT_DELETED[language].format(reason)


def cannot_edit(title: str, language: str) -> str:
    return _CANNOT_EDIT[language].format(title)


def cannot_delete(title: str, language: str) -> str:
    return _CANNOT_DELETE[language].format(title)


def nothing_to_show(title: str, language: str) -> str:
    return _NOTHING_TO_SHOW[language].format(title)


def deleted_there(language: str) -> str:
    return _DELETED_THERE[language]


def how_far(done: int, count: int, language: str) -> str:
    return _HOW_FAR[language].format(done, count)
