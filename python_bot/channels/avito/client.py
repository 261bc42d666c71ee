"""Requests to Avito: the token, what an answer means, and how fast we may ask.

A token lives for 24 hours and is not renewed but asked for again; Avito answers 401, or 403, to one that has expired
(https://developers.avito.ru/api-catalog/auth/documentation). So after either the token is fetched anew and the request
repeated, once; a second 403 is a right that the account lacks. Whoever uses Avito reads Russian, so the texts are.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import field
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

from ...errors import DeliveryFailed
from ...values import dataclass
from ..base import Content
from ..http import Answer, Http
from ..multipart import Upload
from ..pace import Limit, Pace
from .options import PER_MINUTE

BASE_URL: Final = "https://api.avito.ru"
BURST: Final = 5  # requests that may leave at once, above a steady rate
_BURST_S: Final = 5.0
PATIENCE_S: Final = 10.0  # a round of the poller is not broken off for a short wait
EARLY_S: Final = 300.0  # a token is renewed so long before it ends
SHORT_LIFE_S: Final = 3600.0  # of a token whose life nobody told
BUSY_S: Final = 45.0  # the pause after a refusal that names none
RIGHTS: Final = (
    "ключ API не даёт доступа к этому разделу: проверьте, что тариф Avito включает API мессенджера "
    "и что ключ создан в основном аккаунте компании"
)
TARIFF: Final = (
    "тариф Avito не включает API мессенджера: подключите «Максимальный» (товары, работа) или «Расширенный» (услуги)"
)
KEYS: Final = (
    "ключи API не подходят: проверьте client_id и client_secret в настройках Avito, раздел «Для профессионалов»"
)


@dataclass(slots=True)
class _Token:
    """One for each pair of keys; `lock` is held while it is renewed: one thread asks, the others wait for it."""

    value: str = ""
    ends_at: float = 0.0
    lock: threading.Lock = field(default_factory=threading.Lock)


def limits_of(per_minute: int) -> tuple[Limit, ...]:
    """A minute's limit, and within it no more than a burst above the steady rate."""
    return Limit(BURST + int(per_minute * _BURST_S / 60.0), _BURST_S), Limit(per_minute, 60.0)


class Client:
    """Safe for several threads. `secrets` of an account: {"api_client_id", "api_client_secret"}.

    `per_minute`: how many requests of these keys may leave in a minute. `limits`: for all instead, whatever they say.
    """

    def __init__(
        self,
        http: Http,
        base_url: str = "",
        *,
        pace: Pace | None = None,
        limits: tuple[Limit, ...] = (),
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._http, self._base, self._clock = http, (base_url or BASE_URL).rstrip("/"), clock
        self._pace, self._limits = pace or Pace(patience_s=PATIENCE_S), limits
        self._tokens: dict[tuple[str, str], _Token] = {}
        self._lock = threading.Lock()

    def get(
        self,
        secrets: Mapping[str, str],
        path: str,
        fields: Mapping[str, str] | None = None,
        *,
        per_minute: int = PER_MINUTE,
    ) -> Any:
        """The JSON of a GET. Raises DeliveryFailed."""
        url = self._base + (f"{path}?{urlencode(fields)}" if fields else path)

        def send(headers: Mapping[str, str]) -> Answer:
            return self._http.request("GET", url, method="GET", headers=headers)

        return self._call(secrets, per_minute, send)

    def post(
        self, secrets: Mapping[str, str], path: str, payload: Mapping[str, Any], *, per_minute: int = PER_MINUTE
    ) -> Any:
        """The JSON of a POST, None when the answer has none. Raises DeliveryFailed."""

        def send(headers: Mapping[str, str]) -> Answer:
            return self._http.request("POST", self._base + path, method="POST", payload=payload, headers=headers)

        return self._call(secrets, per_minute, send)

    def upload(
        self,
        secrets: Mapping[str, str],
        path: str,
        name: str,
        open_content: Callable[[], Content],
        *,
        per_minute: int = PER_MINUTE,
    ) -> Any:
        """POST one picture as a form; its content is opened anew for each try. Raises DeliveryFailed."""

        def send(headers: Mapping[str, str]) -> Answer:
            file = Upload("uploadfile[]", name, open_content())
            return self._http.upload(
                self._base + path, method="uploadImages", fields={}, files=(file,), headers=headers
            )

        return self._call(secrets, per_minute, send)

    def download(self, url: str) -> Content:
        """A file whose address Avito told. Raises DeliveryFailed."""
        return self._http.download(url, method="file")

    def is_own(self, url: str) -> bool:
        """Whether an address is on the host of the API itself."""
        return urlsplit(url)[:2] == urlsplit(self._base)[:2]

    def _call(self, secrets: Mapping[str, str], per_minute: int, send: Callable[[Mapping[str, str]], Answer]) -> Any:
        token = self._token(secrets)
        answer = self._paced(secrets, per_minute, send, token)
        if answer.status in (401, 403):
            self._forget(secrets, token)
            answer = self._paced(secrets, per_minute, send, self._token(secrets))
        if answer.status == 429:
            self._pace.close_for(("avito", secrets["api_client_id"], "0"), answer.retry_after_s or BUSY_S)
        return meaning(answer)

    def _paced(
        self, secrets: Mapping[str, str], per_minute: int, send: Callable[[Mapping[str, str]], Answer], token: str
    ) -> Answer:
        key, limits = ("avito", secrets["api_client_id"]), self._limits or limits_of(per_minute)
        self._pace.acquire({(*key, str(place)): limit for place, limit in enumerate(limits)}, "Avito")
        return send({"Authorization": f"Bearer {token}"})

    def _token(self, secrets: Mapping[str, str]) -> str:
        with self._lock:
            token = self._tokens.setdefault(_owner(secrets), _Token())
        with token.lock:
            if self._clock() >= token.ends_at:
                token.value, life_s = self._ask(secrets)
                token.ends_at = self._clock() + max(life_s - EARLY_S, life_s / 2)
            return token.value

    def _forget(self, secrets: Mapping[str, str], value: str) -> None:
        """Unless another thread has renewed it already."""
        with self._lock:
            token = self._tokens[_owner(secrets)]
        with token.lock:
            if token.value == value:
                token.ends_at = 0.0

    def _ask(self, secrets: Mapping[str, str]) -> tuple[str, float]:
        """A new token and its life in seconds. Avito may refuse with status 200: the token decides, not the status."""
        form = {
            "grant_type": "client_credentials",
            "client_id": secrets["api_client_id"],
            "client_secret": secrets["api_client_secret"],
        }
        reply = self._http.request("POST", f"{self._base}/token", method="token", form=form)
        answer = reply.json if isinstance(reply.json, dict) else {}
        value, life_s = answer.get("access_token"), answer.get("expires_in")
        if isinstance(value, str) and value:
            return value, float(life_s) if isinstance(life_s, int | float) and life_s > 0 else SHORT_LIFE_S
        if reply.status in (400, 401, 403) or answer.get("error") in ("invalid_client", "invalid_request"):
            raise DeliveryFailed(f"Avito: {KEYS}", status=reply.status, final=True)
        meaning(reply)
        raise DeliveryFailed("Avito: ответ на запрос ключа доступа непонятен", status=reply.status, unreachable=True)


def _owner(secrets: Mapping[str, str]) -> tuple[str, str]:
    """Whoever knows a client_id alone gets no token that was given to another secret."""
    return secrets["api_client_id"], secrets["api_client_secret"]


def meaning(reply: Answer) -> Any:
    """The JSON of an answer, or the failure that it means.

    Errors have many shapes: {"error": {"code", "message"}}, {"error": "text"}, {"message"}, {"result": {"message"}}, a
    page of HTML, nothing at all. So the status decides, and the words are only shown.
    """
    status = reply.status
    if status < 300:
        return reply.json
    words = _words(reply.json)
    if status in (429, 503) or status >= 500:
        what = "слишком много запросов" if status == 429 else f"сервер отвечает {status}"
        wait_s = reply.retry_after_s or (BUSY_S if status == 429 else None)
        raise DeliveryFailed(f"Avito: {what}", status=status, unreachable=status != 429, retry_after_s=wait_s)
    if status == 402:
        raise DeliveryFailed(f"Avito: {TARIFF}", status=status, final=True)
    if status == 403:
        raise DeliveryFailed(f"Avito: {RIGHTS}{words}", status=status, final=True)
    if status == 401:
        raise DeliveryFailed(f"Avito: {KEYS}", status=status, final=True)
    what = "чат или сообщение не найдены" if status in (404, 410) else f"запрос отклонён ({status})"
    raise DeliveryFailed(f"Avito: {what}{words}", status=status, final=True)


def _words(answer: Any) -> str:
    for place in ("error", "result"):
        inner = answer.get(place) if isinstance(answer, dict) else None
        if isinstance(inner, dict):
            answer = inner
    found = answer.get("message") or answer.get("error") if isinstance(answer, dict) else None
    return f": {found[:200]}" if isinstance(found, str) and found else ""
