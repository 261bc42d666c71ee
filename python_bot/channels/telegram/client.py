"""Calls of the Bot API, and what its refusals mean for whoever waits for them.

Descriptions are matched by a part and without their case: the server changes both.
https://core.telegram.org/bots/api#making-requests
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from ...errors import DeliveryFailed
from ..base import Content
from ..http import Answer, Http, never
from ..multipart import Upload

OFFICIAL: Final = "https://api.telegram.org"
_TOKEN: Final = re.compile(r"[0-9]{1,20}:[A-Za-z0-9_-]{1,200}")
_SECRET: Final = re.compile(
    r"(?:bot)?\d+:[\w-]+|[0-9A-Za-z_-]{32,}"
)  # a server that repeats our token must not spread it
_BAD_TOKEN: Final = (401, 404, 421)

# A part of the description -> what it means, and what to do. All of them are the messenger's last word.
_FINAL: Final = {
    "bot was blocked by the user": "клиент заблокировал бота. Напишите ему другим путём: здесь он прочтёт вас, только "
    "если сам снова напишет боту",
    "user is deactivated": "клиент удалил свой аккаунт в Telegram. Свяжитесь с ним другим путём",
    "chat not found": "Telegram не знает этого чата: клиент не писал этому боту или удалил чат. Попросите клиента "
    "написать боту",
    "bot was kicked": "бота удалили из группы. Верните его в группу и отправьте сообщение снова",
    "bot is not a member": "бота нет в этой группе. Верните его в группу и отправьте сообщение снова",
    "can't initiate conversation": "боту нельзя писать первым. Попросите клиента написать боту",
    "can't send messages to bots": "получатель сам бот, а ботам Telegram писать не даёт",
    "not enough rights": "у бота нет прав писать в этой группе. Дайте их в настройках группы и отправьте снова",
    "need administrator rights": "бот должен быть администратором группы. Дайте ему права и отправьте снова",
    "have no rights to send": "у бота нет прав писать в этой группе. Дайте их в настройках группы и отправьте снова",
    "request entity too large": "файл больше 50 МБ, Telegram не принимает такие от ботов. Отправьте ссылку на него",
    "file is too big": "файл больше 20 МБ, Telegram не отдаёт такие ботам. Попросите клиента прислать ссылку",
    "wrong file_id": "Telegram больше не отдаёт этот файл. Попросите клиента прислать его снова",
    "message can't be edited": "Telegram уже не даёт менять это сообщение. Отправьте исправление новым",
    "message to edit not found": "этого сообщения в Telegram больше нет",
    "message can't be deleted": "Telegram даёт удалять сообщения только 48 часов",
    "message text is empty": "в сообщении нет ничего, что Telegram мог бы показать",
}


class Refused(DeliveryFailed):
    """`description`: in Telegram's words, in lower case. `moved_to`: the number that the group has now, or 0."""

    def __init__(self, message: str, answer: Answer, description: str, **more: Any) -> None:
        super().__init__(message, status=answer.status, **more)
        self.description = description
        moved = _parameters(answer).get("migrate_to_chat_id")
        self.moved_to = moved if isinstance(moved, int) else 0


class BotApi:
    """`base`: of the official server, or of one's own ('http://127.0.0.1:8081'). Safe for several threads."""

    def __init__(self, http: Http, base: str = "") -> None:
        self._http, self._base = http, (base or OFFICIAL).rstrip("/")
        self.is_official = self._base == OFFICIAL

    def call(
        self,
        token: str,
        method: str,
        params: Mapping[str, Any] | None = None,
        *,
        timeout_s: float | None = None,
        is_stopping: Callable[[], bool] = never,
    ) -> Any:
        """The `result`. Raises Refused for what the server refused, DeliveryFailed when no answer came."""
        answer = self._http.request(
            "POST",
            self._url(token, method),
            method=method,
            payload=dict(params or {}),
            timeout_s=timeout_s,
            is_stopping=is_stopping,
        )
        return result_of(method, answer)

    def upload(self, token: str, method: str, params: Mapping[str, Any], files: Sequence[Upload]) -> Any:
        """With files; whatever is no text goes as JSON."""
        fields = {
            name: value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
            for name, value in params.items()
        }
        return result_of(method, self._http.upload(self._url(token, method), method=method, fields=fields, files=files))

    def download(self, token: str, path: str) -> Content:
        """`path`: what getFile said."""
        return self._http.download(f"{self._base}/file/bot{_checked(token)}/{path}", method="file")

    def _url(self, token: str, method: str) -> str:
        return f"{self._base}/bot{_checked(token)}/{method}"


def result_of(method: str, answer: Answer) -> Any:
    body = answer.json if isinstance(answer.json, dict) else {}
    if body.get("ok") is True and "result" in body and answer.status < 300:
        return body["result"]
    told = body.get("description")
    description = _SECRET.sub("***", told)[:300] if isinstance(told, str) else ""
    words = description.lower()
    if answer.status == 429:
        asked = _parameters(answer).get("retry_after")
        pause = float(asked) if isinstance(asked, int) else answer.retry_after_s or 5.0
        return _refuse("Telegram: слишком много сообщений подряд", answer, words, retry_after_s=pause)
    if answer.status >= 500 or not body:
        return _refuse(
            f"Telegram: {method}: сервер ответил HTTP {answer.status}",
            answer,
            words,
            unreachable=True,
            retry_after_s=answer.retry_after_s,
        )
    if answer.status in _BAD_TOKEN and "method not found" not in words:
        text = "Telegram: токен бота неверен или отозван. Возьмите новый у @BotFather и замените его"
        return _refuse(text, answer, words, unreachable=True)
    if answer.status == 409:
        return _refuse(_conflict(words), answer, words, retry_after_s=10.0)
    for part, meaning in _FINAL.items():
        if part in words:
            return _refuse(f"Telegram: {meaning}", answer, words, final=True)
    return _refuse(f"Telegram: {method}: {description or f'HTTP {answer.status}'}", answer, words, final=True)


def _refuse(message: str, answer: Answer, description: str, **more: Any) -> Any:
    raise Refused(message, answer, description, **more)


def _conflict(words: str) -> str:
    """https://core.telegram.org/bots/api#getupdates : one program asks, or a webhook is called."""
    if "webhook" in words:
        return "Telegram: у бота включён webhook, и опросить его нельзя. Его снимет повторное подключение бота"
    return (
        "Telegram: этого бота опрашивает ещё одна программа. Остановите её, или выпустите в @BotFather новый токен и "
        "замените его здесь"
    )


def _parameters(answer: Answer) -> Mapping[str, Any]:
    found = answer.json.get("parameters") if isinstance(answer.json, dict) else None
    return found if isinstance(found, dict) else {}


def _checked(token: str) -> str:
    """What is no token goes into no address."""
    if not _TOKEN.fullmatch(token):
        text = "Telegram: это не токен бота. Он выглядит как 123456789:AAE… и берётся у @BotFather"
        raise DeliveryFailed(text, status=404, final=True)
    return token
