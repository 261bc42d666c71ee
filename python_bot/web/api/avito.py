"""`/api/avito/accounts`: shops whose messages come in, where they are shown, and how their connection stands."""

from __future__ import annotations

import secrets as random
from collections.abc import Mapping
from typing import Any, Final

from flask import Blueprint, Response, jsonify, request

from ...channels.avito.options import FEWEST, MOST, PER_MINUTE, REQUESTS, per_minute
from ...channels.base import Identity
from ...channels.store import Held
from ...errors import DeliveryFailed, NoSuchAccount
from ...model import time_text
from ...relay.accounts import KEEP, PENDING, Accounts
from ...relay.topics import desk_of
from ..access import Access
from ..errors import ApiError
from . import bodies, params
from .wanted import MAX_ID

CHANNEL: Final = "avito"
TELEGRAM: Final = "telegram"
LONGEST: Final = 200
_KEYS: Final = ("api_client_id", "api_client_secret")
_TARGETS: Final = ("line_id", "telegram_bot_id", "telegram_chat_id")


def blueprint(accounts: Accounts, access: Access) -> Blueprint:
    api = Blueprint("avito", __name__, url_prefix="/api/avito/accounts")

    @api.before_request
    def allow() -> None:
        access.require_token("read" if request.method in ("GET", "HEAD") else "admin")
        access.require_all_lines()

    def one(shop_id: int) -> Held:
        try:
            return accounts.one(min(shop_id, MAX_ID), CHANNEL)
        except NoSuchAccount:
            raise ApiError(404, "account_unknown", f"there is no Avito account {shop_id}") from None

    @api.get("")
    def every() -> Response:
        params.refuse_unknown(request.args)
        return jsonify(accounts=[shown(held) for held in accounts.all(CHANNEL)], next_cursor=None)

    @api.post("")
    def add() -> tuple[Response, int]:
        given = bodies.given(*_KEYS, *_TARGETS, REQUESTS)
        keys = {name: _key(given, name) for name in _KEYS}
        line_id, options = bodies.line_of(given), _paced(given, _desk(accounts, given, {}))
        pending = Identity(f"{PENDING}{keys['api_client_id']}", "Avito")
        secrets = {**keys, "webhook_secret": random.token_urlsafe(24)}
        try:
            held, is_new = accounts.add(CHANNEL, secrets, line_id, options, pending)
        except DeliveryFailed as error:
            raise ApiError(400, "secrets_refused", str(error)) from None
        return jsonify(shown(held)), 201 if is_new else 200

    @api.get("/<int:shop_id>")
    def get(shop_id: int) -> Response:
        params.refuse_unknown(request.args)
        return jsonify(shown(one(shop_id)))

    @api.patch("/<int:shop_id>")
    def change(shop_id: int) -> Response:
        account = one(shop_id).account
        given = bodies.given(*_KEYS, *_TARGETS, REQUESTS, "active")
        active = given.get("active", True)
        if not isinstance(active, bool):
            raise bodies.bad("active", "must be true or false")
        keys: dict[str, str] = {name: _key(given, name) for name in _KEYS if name in given}
        options = _paced(given, _desk(accounts, given, account.options))
        try:
            held = accounts.change(
                shop_id,
                line_id=bodies.line_of(given) if "line_id" in given else KEEP,
                secrets={**renewed(account.secrets), **keys} if active else KEEP,
                options=options,
                is_off=not active if "active" in given else KEEP,
                unreachable=True,
            )
        except DeliveryFailed as error:
            raise ApiError(400, "secrets_refused", str(error)) from None
        return jsonify(shown(held))

    @api.delete("/<int:shop_id>")
    def remove(shop_id: int) -> Response:
        one(shop_id)
        accounts.remove(shop_id)
        return Response(status=204)

    return api


def renewed(secrets: Mapping[str, str]) -> dict[str, str]:
    """With a new secret of the webhook; the one that Avito knows is good until it has been told the new one."""
    former = secrets.get("former_webhook_secret") or secrets.get("webhook_secret", "")
    return {**secrets, "former_webhook_secret": former, "webhook_secret": random.token_urlsafe(24)}


def shown(held: Held) -> dict[str, Any]:
    account, facts = held.account, held.facts
    is_known = not account.identity.external_id.startswith(PENDING)
    desk = desk_of(account.options)
    error = facts.get("attach_problem")
    return {
        "id": account.id,
        "user_id": int(account.identity.external_id) if is_known else None,
        "name": account.identity.name,
        "url": account.identity.url or None,
        "state": account.state,
        "problem": account.problem or None,
        "line_id": account.line_id,
        "line_problem": held.line_problem or None,
        "connector_id": held.connector_id,
        "telegram_bot_id": desk[0] if desk else None,
        "telegram_chat_id": desk[1] if desk else None,
        "telegram_problem": facts.get("topics_problem"),
        REQUESTS: per_minute(account.options),
        "webhook_enabled": bool(facts.get("webhook_enabled")) and not error and account.state != "off",
        "webhook_url": facts.get("webhook_url"),
        "webhook_last_error": error,
        "last_message_at": time_text(held.last_message_at) if held.last_message_at else None,
        "created_at": time_text(account.created_at),
    }


# --- what comes in


def _key(given: Mapping[str, Any], name: str) -> str:
    value = given.get(name)
    if not isinstance(value, str) or not value.strip() or len(value) > LONGEST or not value.isprintable():
        raise bodies.bad(name, "must be the text that Avito shows under 'API'")
    return value.strip()


def _paced(given: Mapping[str, Any], options: Mapping[str, object]) -> dict[str, object]:
    """The options with the number of requests a minute that is named; null: as many as is usual."""
    if REQUESTS not in given:
        return dict(options)
    count = given[REQUESTS]
    if count is None:
        return {name: value for name, value in options.items() if name != REQUESTS}
    if not isinstance(count, int) or isinstance(count, bool) or not FEWEST <= count <= MOST:
        raise bodies.bad(REQUESTS, f"must be a number from {FEWEST} to {MOST}, or null for {PER_MINUTE}")
    return {**options, REQUESTS: count}


def _desk(accounts: Accounts, given: Mapping[str, Any], former: Mapping[str, object]) -> dict[str, object]:
    """The options with the bot and the group that are named; null takes them away."""
    names = ("telegram_bot_id", "telegram_chat_id")
    found = {name: given[name] if name in given else former.get(name) for name in names}
    bot_id, chat_id = found["telegram_bot_id"], found["telegram_chat_id"]
    rest = {name: value for name, value in former.items() if name not in names}
    if bot_id is None and chat_id is None:
        return rest
    if bot_id is None or chat_id is None:
        raise bodies.bad(
            "telegram_bot_id", "and telegram_chat_id go together: a bot, and the group where it makes topics"
        )
    if isinstance(chat_id, int) and not isinstance(chat_id, bool):
        chat_id = str(chat_id)
    if not isinstance(chat_id, str) or not chat_id.startswith("-") or not chat_id[1:].isdigit() or len(chat_id) > 20:
        raise bodies.bad("telegram_chat_id", "must be the number of a supergroup, such as -1002000000001")
    if not isinstance(bot_id, int) or isinstance(bot_id, bool) or not 0 < bot_id <= MAX_ID:
        raise bodies.bad("telegram_bot_id", "must be the id of a bot, as GET /api/telegram/bots shows it")
    try:
        accounts.one(bot_id, TELEGRAM)
    except NoSuchAccount:
        raise bodies.bad("telegram_bot_id", f"names no bot: there is none with the id {bot_id}") from None
    return {**rest, "telegram_bot_id": bot_id, "telegram_chat_id": chat_id}
