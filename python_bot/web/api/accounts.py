"""`/api/<channel>/…`: the accounts of a messenger, made, listed, changed and removed. One blueprint for each kind.

What an account is opened with comes in and never goes out again.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import field
from secrets import token_urlsafe
from typing import Any, Final, TypeVar

from flask import Blueprint, Response, jsonify, request

from ...channels.store import Held
from ...errors import DeliveryFailed, NoSuchAccount
from ...model import time_text
from ...relay.accounts import KEEP, Accounts
from ...values import dataclass
from ..access import Access
from ..errors import ApiError
from . import bodies, params
from .wanted import MAX_ID

MAX_SECRET: Final = 300
_HOOK_SECRET: Final = re.compile(r"[A-Za-z0-9_-]{1,256}")  # https://core.telegram.org/bots/api#setwebhook
_Found = TypeVar("_Found")


@dataclass(frozen=True, slots=True)
class Kind:
    """How the accounts of a channel are called outside.

    `needs`: the secrets of a new account, by the members that bring them; `may`: those that can be left out, of which
    `fresh` makes up ours. `flags`: options that are true or false, and what they are when nobody says.
    """

    channel: str
    path: str
    plural: str
    number: str
    needs: tuple[str, ...]
    may: tuple[str, ...] = ()
    flags: Mapping[str, bool] = field(default_factory=dict)
    fresh: Callable[[], Mapping[str, str]] = dict


def of_channel(name: str, needs: tuple[str, ...]) -> Kind:
    """Of a channel from elsewhere, which has no names of its own for its accounts."""
    return Kind(
        channel=name,
        path=f"channels/{name}/accounts",
        plural="accounts",
        number="number",
        needs=needs,
        may=("webhook_secret",),
        flags={"signature": True},
        fresh=lambda: {"webhook_secret": token_urlsafe(32)},
    )


def blueprint(kind: Kind, accounts: Accounts, access: Access, waiting: Callable[[], Mapping[int, int]]) -> Blueprint:
    """`waiting`: account -> how many messages of clients did not reach the portal yet."""
    api = Blueprint(kind.path.replace("/", "_"), __name__, url_prefix=f"/api/{kind.path}")

    @api.before_request
    def allow() -> None:
        access.require_token("read" if request.method in ("GET", "HEAD") else "admin")
        access.require_all_lines()

    def one(account_id: int) -> Held:
        if account_id <= MAX_ID:
            try:
                return accounts.one(account_id, kind.channel)
            except NoSuchAccount:
                pass
        raise ApiError(404, "account_unknown", f"there is no account {account_id}; GET /api/{kind.path} lists them")

    def shown(held: Held) -> dict[str, Any]:
        return _shown(kind, held, waiting().get(held.account.id, 0))

    @api.get("")
    def every() -> Response:
        params.refuse_unknown(request.args)
        counts = waiting()
        rows = [_shown(kind, held, counts.get(held.account.id, 0)) for held in accounts.all(kind.channel)]
        return jsonify({kind.plural: rows, "next_cursor": None})

    @api.post("")
    def add() -> tuple[Response, int]:
        given = bodies.given(*kind.needs, *kind.may, *kind.flags, "line_id")
        secrets = {**kind.fresh(), **_secrets(given, (*kind.needs, *kind.may))}
        for name in kind.needs:
            if name not in secrets:
                raise bodies.bad(name, "must be given")
        line_id, options = bodies.line_of(given), _flags(given, kind)
        held, is_new = _asking(lambda: accounts.add(kind.channel, secrets, line_id, options))
        return jsonify(shown(held)), 201 if is_new else 200

    @api.get("/<int:account_id>")
    def get(account_id: int) -> Response:
        params.refuse_unknown(request.args)
        return jsonify(shown(one(account_id)))

    @api.patch("/<int:account_id>")
    def change(account_id: int) -> Response:
        account = one(account_id).account
        given = bodies.given(*kind.needs, *kind.may, *kind.flags, "line_id", "active")
        secrets, flags = _secrets(given, (*kind.needs, *kind.may)), _flags(given, kind)
        is_off: Any = KEEP
        if "active" in given:
            if not isinstance(given["active"], bool):
                raise bodies.bad("active", "must be true or false")
            is_off = not given["active"]
        line_id = bodies.line_of(given) if "line_id" in given else KEEP
        changed = _asking(
            lambda: accounts.change(
                account_id,
                line_id=line_id,
                secrets={**account.secrets, **secrets} if secrets else KEEP,
                options={**account.options, **flags} if flags else KEEP,
                is_off=is_off,
            )
        )
        return jsonify(shown(changed))

    @api.delete("/<int:account_id>")
    def remove(account_id: int) -> Response:
        one(account_id)
        accounts.remove(account_id)
        return Response(status=204)

    return api


def _asking(ask: Callable[[], _Found]) -> _Found:
    """What the messenger says to the secrets."""
    try:
        return ask()
    except DeliveryFailed as error:
        if error.final:
            raise ApiError(400, "secrets_refused", str(error)) from None
        raise ApiError(503, "messenger_unreachable", f"{error}; nothing was kept, try again") from None


# --- what comes in


def _secrets(given: Mapping[str, Any], names: tuple[str, ...]) -> dict[str, str]:
    found = {name: given[name] for name in names if name in given}
    for name, value in found.items():
        if not isinstance(value, str) or not 0 < len(value) <= MAX_SECRET or not value.isprintable():
            raise bodies.bad(name, "must be the text that the messenger gave")
    if not _HOOK_SECRET.fullmatch(found.get("webhook_secret", "x")):
        raise bodies.bad("webhook_secret", "must be of A-Z, a-z, 0-9, _ and -")
    return found


def _flags(given: Mapping[str, Any], kind: Kind) -> dict[str, bool]:
    found = {name: given[name] for name in kind.flags if name in given}
    for name, value in found.items():
        if not isinstance(value, bool):
            raise bodies.bad(name, "must be true or false")
    return found


# --- what goes out


def _shown(kind: Kind, held: Held, waiting: int) -> dict[str, Any]:
    account, number = held.account, held.account.identity.external_id
    return {
        "id": account.id,
        kind.number: int(number) if number.isdigit() else None,
        "name": account.identity.name,
        "url": account.identity.url or None,
        "line_id": account.line_id,
        "connector_id": held.connector_id,
        "state": account.state,
        "problem": account.problem or None,
        "line_problem": held.line_problem or None,
        **{name: account.options.get(name, usual) is not False for name, usual in kind.flags.items()},
        "created_at": time_text(account.created_at),
        "last_message_at": None if held.last_message_at is None else time_text(held.last_message_at),
        "waiting": waiting,
    }
