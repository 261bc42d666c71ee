"""Avito as a channel. An account is a shop: `secrets` are {"api_client_id", "api_client_secret", "webhook_secret"}.

`options`: {"requests_per_minute": 60}, where Avito allows a shop more or less than is usual.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final
from urllib.parse import quote, urlsplit

from ...errors import DeliveryFailed
from ..base import (
    Account,
    ChatCard,
    Content,
    Doubt,
    Happened,
    HookState,
    Identity,
    Incoming,
    Outgoing,
    OutgoingFile,
    Part,
    Polled,
    Setup,
)
from ..http import Http
from . import hooks, inbound, outbound, poller
from .client import Client
from .options import MOST, per_minute

HEARD_KEPT: Final = 10_000  # messages that a webhook told, remembered to judge it by
RENEW_S: Final = 600.0
RIGHTS_S: Final = 600.0  # between looks whether a tariff was paid for
SLACK_S: Final = 5  # our clock against Avito's, when a message is looked for by its time
PICTURE_HOSTS: Final = (".avito.st", ".avito.ru")
NO_FILE: Final = "Avito: файл больше недоступен"


class Avito:
    """`hook_url`: the address of an account's webhook without its secret, ending in '/'."""

    name = "avito"
    title = "Avito"
    settle_s = 1.0

    def __init__(self, client: Client, hook_url: Callable[[Account], str]) -> None:
        self._client, self._hook_url = client, hook_url
        self._heard: dict[int, OrderedDict[str, None]] = {}
        self._pauses: dict[int, float] = {}
        self._renewed: dict[int, float] = {}
        self._lacking: set[tuple[int, str]] = set()  # rights that an account lacks: asked for once
        self._lock = threading.Lock()

    def identify(self, secrets: Mapping[str, str]) -> Identity:
        try:
            found = self._client.get(secrets, "/core/v1/accounts/self")
        except DeliveryFailed as failure:
            raise _passing(failure) from None
        if not isinstance(found, dict) or not isinstance(found.get("id"), int):
            raise DeliveryFailed("Avito: ответ о владельце ключа непонятен", unreachable=True)
        return Identity(str(found["id"]), str(found.get("name") or found["id"]), str(found.get("profile_url") or ""))

    def parts(self, message: Outgoing) -> Sequence[Part]:
        return outbound.parts(message)

    def deliver(self, account: Account, chat_id: str, part: Part) -> tuple[str, ...]:
        if part.kind == "refused":
            raise DeliveryFailed(part.text, final=True)
        path = f"{_chat_path(account, chat_id)}/messages"
        if part.kind == "text":
            payload: dict[str, Any] = {"type": "text", "message": {"text": part.text}}
        else:
            path, payload = f"{path}/image", {"image_id": self._upload(account, part.files[0])}
        answer = self._post(account)(path, payload)
        if not isinstance(answer, dict) or not isinstance(answer.get("id"), str):
            raise DeliveryFailed("Avito: ответ на отправку непонятен", unreachable=True)
        return (answer["id"],)

    def delete(self, account: Account, chat_id: str, message_id: str) -> None:
        """Avito takes back what is younger than an hour."""
        try:
            self._post(account)(f"{_chat_path(account, chat_id)}/messages/{quote(message_id, safe='')}", {})
        except DeliveryFailed as failure:
            if failure.status != 404:
                raise

    def mark_read(self, account: Account, chat_id: str) -> None:
        if (account.id, "read") not in self._lacking:
            try:
                self._post(account)(f"{_chat_path(account, chat_id)}/read", {})
            except DeliveryFailed as failure:
                self._note_lacking(account, "read", failure)

    def find_sent(self, account: Account, chat_id: str, part: Part, doubt: Doubt) -> tuple[str, ...]:
        """Every message of ours since the first try that says the same; the newest first."""

        def is_enough(row: Mapping[str, Any]) -> bool:
            created = row.get("created")
            return isinstance(created, int) and created < doubt.since - SLACK_S

        rows = poller.messages(self._get(account), account.identity.external_id, _bare(chat_id), is_enough)
        ours = [row for row in rows if str(row.get("author_id")) == account.identity.external_id]
        if part.kind == "image":
            return tuple(str(row["id"]) for row in ours if row.get("type") == "image")
        return tuple(str(row["id"]) for row in ours if inbound.read_content("text", _content(row), "")[0] == part.text)

    def describe(self, account: Account, chat_id: str) -> ChatCard:
        if (account.id, "chats") not in self._lacking:
            path = f"/messenger/v2/accounts/{account.identity.external_id}/chats/{quote(_bare(chat_id), safe='~')}"
            try:
                found = self._get(account)(path, {})
                return inbound.read_card(account.identity.external_id, found if isinstance(found, dict) else {})
            except DeliveryFailed as failure:
                self._note_lacking(account, "chats", failure)
        return inbound.read_card(account.identity.external_id, {"id": _bare(chat_id)})

    def missed(self, account: Account, chat_id: str, since: int) -> Sequence[Happened]:
        user_id = account.identity.external_id

        def is_enough(row: Mapping[str, Any]) -> bool:
            created = row.get("created")
            return isinstance(created, int) and created < since

        rows = poller.messages(self._get(account), user_id, _bare(chat_id), is_enough)
        return [one for row in reversed(rows) for one in inbound.read_message(user_id, _bare(chat_id), row)]

    def open_file(self, account: Account, ref: str) -> Content:
        """`ref`: 'image:<address>' or 'voice:<id>', of which Avito gives an address that is good for an hour."""
        kind, _, name = ref.partition(":")
        if kind == "voice":
            path = f"/messenger/v1/accounts/{account.identity.external_id}/getVoiceFiles"
            found = self._get(account)(path, {"voice_ids": name})
            urls = found.get("voices_urls") if isinstance(found, dict) else None
            name = str(urls.get(name) or "") if isinstance(urls, dict) else ""
        if not self._client.is_own(name) and not _is_avitos(name):
            raise DeliveryFailed(NO_FILE, final=True)
        return self._client.download(name)

    def attach(self, account: Account) -> Mapping[str, object]:
        with self._lock:
            self._lacking = {entry for entry in self._lacking if entry[0] != account.id}
        ours = self._hook_url(account)
        try:
            hooks.subscribe(self._post(account), ours + account.secrets["webhook_secret"], ours)
        except DeliveryFailed as failure:
            raise _passing(failure) from None
        return {"webhook_enabled": True, "webhook_url": f"{ours}***"}

    def hook_state(self, account: Account) -> HookState | None:
        """Avito keeps a list of addresses and says nothing of how its calls end."""
        ours = self._hook_url(account)
        known = hooks.subscriptions(self._post(account))
        is_ours = ours + account.secrets["webhook_secret"] in known
        return HookState(urlsplit(ours).hostname or "" if is_ours else "", is_ours, is_needed=False)

    def detach(self, account: Account) -> None:
        """Whatever pace was chosen: these few are the last ones, and nobody asks a second time."""
        hooks.unsubscribe(self._post(account, MOST), self._hook_url(account))

    def read_hook(self, account: Account, body: bytes) -> Sequence[Happened]:
        happened = inbound.read_hook(account.identity.external_id, body)
        with self._lock:
            heard = self._heard.setdefault(account.id, OrderedDict())
            heard.update((one.key, None) for one in happened)
            while len(heard) > HEARD_KEPT:
                heard.popitem(last=False)
        return happened

    def poll(self, account: Account, cursor: str, is_stopping: Callable[[], bool]) -> Polled:
        before = poller.Cursor.read(cursor, account.created_at)
        found = poller.ask(self._get(account), account.identity.external_id, before, is_stopping)
        told = [one.key for one in found.happened if isinstance(one, Incoming)]
        pause_s = self._judge(account, told)
        if pause_s == poller.IN_DOUBT_S:
            self._renew_hook(account)
        if found.cursor.unread:
            pause_s = min(pause_s, poller.USUAL_S)
        return Polled(found.happened, str(found.cursor), pause_s if found.is_whole else 0.0)

    def _renew_hook(self, account: Account) -> None:
        """Avito drops webhooks that fail; whether ours is known is looked at now and then while it misses things."""
        now = time.monotonic()
        with self._lock:
            if now < self._renewed.get(account.id, 0.0) + RENEW_S:
                return
            self._renewed[account.id] = now
        with suppress(DeliveryFailed):  # attaching says what is wrong
            self.attach(account)

    def _judge(self, account: Account, found: Sequence[str]) -> float:
        """How often to ask: the webhook is judged by the last messages that were found, until others are."""
        with self._lock:
            if found:
                heard = self._heard.get(account.id, OrderedDict())
                is_well = all(key in heard for key in found)
                self._pauses[account.id] = poller.WELL_S if is_well else poller.IN_DOUBT_S
            return self._pauses.get(account.id, poller.USUAL_S)

    def _upload(self, account: Account, file: OutgoingFile) -> str:
        def content() -> Content:
            found = file.source() if file.source is not None else self._client.download(file.url)
            return Content(outbound.image_type(file), found.size, found.blocks)

        path = f"/messenger/v1/accounts/{account.identity.external_id}/uploadImages"
        answer = self._client.upload(account.secrets, path, file.name, content, per_minute=per_minute(account.options))
        image_id = next(iter(answer), None) if isinstance(answer, dict) else None
        if not isinstance(image_id, str):
            raise DeliveryFailed("Avito: ответ на загрузку изображения непонятен", unreachable=True)
        return image_id

    def _note_lacking(self, account: Account, right: str, failure: DeliveryFailed) -> None:
        """A right that is missing is no failure of what needs it little; whatever else is, goes on."""
        if failure.status not in (402, 403):
            raise failure
        with self._lock:
            self._lacking.add((account.id, right))

    def _get(self, account: Account) -> poller.Get:
        pace = per_minute(account.options)
        return lambda path, fields: self._client.get(account.secrets, path, fields, per_minute=pace)

    def _post(self, account: Account, pace: int = 0) -> hooks.Post:
        """`pace`: requests a minute, when not those of the account."""
        pace = pace or per_minute(account.options)
        return lambda path, payload: self._client.post(account.secrets, path, payload, per_minute=pace)


def create(setup: Setup) -> Avito:
    """With one set of connections, which every account shares."""
    return Avito(
        Client(Http("Avito", observe=setup.observe), setup.api_url),
        lambda account: f"{setup.public_url}api/webhooks/avito/messages/{account.id}/",
    )


def _chat_path(account: Account, chat_id: str) -> str:
    return f"/messenger/v1/accounts/{account.identity.external_id}/chats/{quote(_bare(chat_id), safe='~')}"


def _passing(failure: DeliveryFailed) -> DeliveryFailed:
    """A tariff that was paid for, or a right that was given, lets the same keys in: worth another try, and visible."""
    if failure.status not in (402, 403):
        return failure
    return DeliveryFailed(str(failure), status=failure.status, retry_after_s=RIGHTS_S)


def _bare(chat_id: str) -> str:
    return chat_id.removeprefix(inbound.PREFIX)


def _content(row: Mapping[str, Any]) -> Mapping[str, Any]:
    content = row.get("content")
    return content if isinstance(content, dict) else {}


def _is_avitos(address: str) -> bool:
    parts = urlsplit(address)
    return parts.scheme == "https" and (parts.hostname or "").endswith(PICTURE_HOSTS)
