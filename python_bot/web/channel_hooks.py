"""Webhooks of messengers: the secret is compared, what is told is committed, and only then it is answered.

Nothing is asked of anybody here: a messenger that waits two seconds for its answer has it in milliseconds.
"""

from __future__ import annotations

import hmac
import logging
from collections.abc import Iterable
from typing import Final

from flask import Blueprint, Response, request

from ..channels.base import Hears
from ..channels.store import Held
from ..errors import BadEvent, StorageError
from ..metrics import Metrics
from ..relay.accounts import Accounts
from ..relay.parts import RelayParts
from .hooks import RETRY_AFTER_S, read_body
from .inbound import note

log = logging.getLogger(__name__)

# The former one is good until the messenger has been told the new one.
SECRETS: Final = ("webhook_secret", "former_webhook_secret")
TELEGRAM_HEADER: Final = "X-Telegram-Bot-Api-Secret-Token"


def blueprint(accounts: Accounts, parts: RelayParts) -> Blueprint:
    """`/tg/webhook`, and `/api/webhooks/<channel>/messages/<account>/<secret>` for every other messenger."""
    hooks = Blueprint("channel_hooks", __name__)

    @hooks.post("/tg/webhook")
    def telegram() -> Response:
        """Telegram names no account: its secret does. https://core.telegram.org/bots/api#setwebhook"""
        given = request.headers.get(TELEGRAM_HEADER, "")
        found = [held for held in accounts.all("telegram") if _is_secret(held, given)]
        return _take(found[0], parts) if found else _refuse(403, parts.metrics)

    @hooks.post("/api/webhooks/<channel>/messages/<int:account_id>/<secret>")
    def messenger(channel: str, account_id: int, secret: str) -> Response:
        held = next((each for each in accounts.all(channel) if each.account.id == account_id), None)
        return _take(held, parts) if held is not None and _is_secret(held, secret) else _refuse(404, parts.metrics)

    return hooks


def _is_secret(held: Held, given: str) -> bool:
    """Constant time; an empty secret is none."""
    known: Iterable[str] = (held.account.secrets.get(name, "") for name in SECRETS)
    matches = [bool(secret) and hmac.compare_digest(secret.encode(), given.encode()) for secret in known]
    return any(matches) and held.account.state != "off"


def _take(held: Held, parts: RelayParts) -> Response:
    account = held.account
    note().kind, note().subject, note().outcome = "event", account.channel, "ok"
    channel = parts.registry.load(account.channel)
    body = read_body()
    if body is None:
        return _plain(413)
    if not isinstance(channel, Hears):
        return _refuse(404, parts.metrics)
    try:
        happened = channel.read_hook(account, body)
        parts.inbox.take(account.id, happened)
    except BadEvent as error:
        note().error_code = "unreadable"
        log.warning("a call of %s could not be read: %s", channel.title, error, extra={"trace_id": note().trace_id})
        return _plain(400)
    except StorageError as error:
        note().error_code = type(error).__name__
        log.error("a call of %s could not be stored: %s", channel.title, error, extra={"trace_id": note().trace_id})
        response = _plain(503)
        response.headers["Retry-After"] = str(RETRY_AFTER_S)
        return response
    return _plain(200)


def _refuse(status: int, metrics: Metrics) -> Response:
    note().kind, note().outcome = "event", "mismatch"
    metrics.count("events_forged_total")
    return _plain(status)


def _plain(status: int) -> Response:
    return Response("" if status < 400 else f"{status}\n", status, mimetype="text/plain")
