"""`/api/subscriptions`: who is told what happens, and what became of it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final

from flask import Blueprint, Response, jsonify, request

from ...db import Storage
from ...model import time_text
from ...subscriptions import EVENTS, Delivery, Guard, Subscription, Subscriptions
from ...subscriptions.contract import SHOWN, Backlog
from ...subscriptions.guard import BadUrl, Forbidden, parse
from ...subscriptions.signing import new_secret
from ..access import Access, caller
from ..errors import ApiError
from . import bodies, params
from .wanted import MAX_ID

MOST: Final = 20  # subscriptions of an instance: each happening is dealt to every one


def blueprint(
    storage: Storage,
    subscriptions: Subscriptions,
    guard: Guard,
    access: Access,
    begin_anew: Callable[[int], None],
) -> Blueprint:
    """`begin_anew`: told the subscription that has to be called again at once, however it went lately."""
    api = Blueprint("subscriptions", __name__, url_prefix="/api/subscriptions")

    @api.before_request
    def allow() -> None:
        # Even where reading needs no token: these are addresses of machines.
        access.require_token("read" if request.method in ("GET", "HEAD") else "admin")
        access.require_all_lines()

    def one(subscription_id: int) -> Subscription:
        found = subscriptions.one(subscription_id) if subscription_id <= MAX_ID else None
        if found is None:
            raise ApiError(404, "subscription_unknown", f"there is no subscription {subscription_id}")
        return found

    def shown(subscription_id: int) -> dict[str, Any]:
        found = one(subscription_id)
        return _shown(found, subscriptions.backlog().get(found.id, Backlog()))

    def one_delivery(subscription_id: int, delivery_id: int) -> Delivery:
        one(subscription_id)
        found = subscriptions.delivery(subscription_id, delivery_id) if delivery_id <= MAX_ID else None
        if found is None:
            raise ApiError(
                404, "delivery_unknown", f"subscription {subscription_id} has no delivery {delivery_id} (any more)"
            )
        return found

    @api.get("")
    def every() -> Response:
        params.refuse_unknown(request.args)
        backlogs = subscriptions.backlog()
        rows = [_shown(each, backlogs.get(each.id, Backlog())) for each in subscriptions.all()]
        return jsonify(subscriptions=rows, next_cursor=None)

    @api.post("")
    def add() -> tuple[Response, int]:
        given = bodies.given("url", "events", "line_id")
        url, events, line_id = _url(given, guard), _events(given), bodies.line_of(given)
        if len(subscriptions.all()) >= MOST:
            raise ApiError(409, "too_many_subscriptions", f"there are {MOST} already; delete one first")
        secret = new_secret()
        number = storage.write(lambda tx: subscriptions.add(tx, url, events, line_id, secret, time.time()))
        begin_anew(number)
        response = jsonify({**shown(number), "secret": secret})
        response.headers["Cache-Control"] = "no-store"
        return response, 201

    @api.get("/<int:subscription_id>")
    def get(subscription_id: int) -> Response:
        params.refuse_unknown(request.args)
        return jsonify(shown(subscription_id))

    @api.patch("/<int:subscription_id>")
    def change(subscription_id: int) -> Response:
        one(subscription_id)
        given = bodies.given("url", "events", "active")
        url = _url(given, guard) if "url" in given else None
        events = _events(given) if "events" in given else None
        active = given.get("active")
        if "active" in given and not isinstance(active, bool):
            raise bodies.bad("active", "must be true or false")
        storage.write(
            lambda tx: subscriptions.change(tx, subscription_id, time.time(), url=url, events=events, active=active)
        )
        begin_anew(subscription_id)
        return jsonify(shown(subscription_id))

    @api.delete("/<int:subscription_id>")
    def remove(subscription_id: int) -> Response:
        one(subscription_id)
        subscriptions.remove(subscription_id)
        return Response(status=204)

    @api.post("/<int:subscription_id>/test")
    def test(subscription_id: int) -> tuple[Response, int]:
        one(subscription_id)
        number = storage.write(lambda tx: subscriptions.ping(tx, subscription_id, time.time()))
        begin_anew(subscription_id)
        return jsonify(_row(one_delivery(subscription_id, number))), 201

    @api.get("/<int:subscription_id>/deliveries")
    def deliveries(subscription_id: int) -> Response:
        params.refuse_unknown(request.args, "state", "limit", "cursor")
        one(subscription_id)
        text = request.args.get("state", "")
        state = next((each for each in SHOWN if each == text), None)
        if text and state is None:
            raise bodies.bad("state", f"must be one of: {', '.join(SHOWN)}")
        name, limit = f"w{subscription_id}.{text}", params.limit(request.args)
        position = params.read_cursor(name, request.args)
        rows = subscriptions.deliveries(subscription_id, state, position[0] if position else None, limit + 1)
        more = len(rows) > limit
        cursor = params.write_cursor(name, (rows[limit - 1].id,) if more else None)
        return jsonify(deliveries=[_row(row) for row in rows[:limit]], next_cursor=cursor)

    @api.get("/<int:subscription_id>/deliveries/<int:delivery_id>")
    def delivery(subscription_id: int, delivery_id: int) -> Response:
        params.refuse_unknown(request.args)
        return jsonify(_row(one_delivery(subscription_id, delivery_id)))

    @api.post("/<int:subscription_id>/deliveries/<int:delivery_id>/replay")
    def replay(subscription_id: int, delivery_id: int) -> Response:
        one_delivery(subscription_id, delivery_id)
        storage.write(lambda tx: subscriptions.replay(tx, subscription_id, delivery_id, time.time()))
        begin_anew(subscription_id)
        return jsonify(_row(one_delivery(subscription_id, delivery_id)))

    return api


# --- what comes in


def _url(given: dict[str, Any], guard: Guard) -> str:
    url = given.get("url")
    if not isinstance(url, str) or not url:
        raise bodies.bad("url", "must be a URL such as https://crm.example.ru/b24")
    try:
        guard.check(url)
    except BadUrl as error:
        raise bodies.bad("url", str(error)) from None
    except Forbidden as error:
        raise ApiError(400, "url_forbidden", f"url: {error}; {error.next_step}") from None
    return url


def _events(given: dict[str, Any]) -> tuple[str, ...]:
    events = given.get("events")
    if not isinstance(events, list) or not events:
        raise bodies.bad("events", f"must be a list of some of: {', '.join(EVENTS)}")
    strange = [event for event in events if event not in EVENTS]
    if strange:
        raise bodies.bad("events", f"knows no {strange[0]!r:.60}; known: {', '.join(EVENTS)}")
    return tuple(event for event in EVENTS if event in events)


# --- what goes out


def _shown(subscription: Subscription, backlog: Backlog) -> dict[str, Any]:
    return {
        "id": subscription.id,
        "url": _url_for(subscription.url),
        "events": subscription.events,
        "line_id": subscription.line_id,
        "active": subscription.active,
        "created_at": time_text(subscription.created_at),
        "disabled_at": _time(subscription.disabled_at),
        "disabled_reason": subscription.disabled_reason or None,
        "waiting": backlog.waiting,
        "failing": backlog.failing,
        "oldest_waiting_at": _time(backlog.oldest_at),
        "last_error": backlog.last_error or None,
    }


def _url_for(url: str) -> str:
    """The whole address for the administration; others see no path, which may be a secret of the receiver's."""
    return url if caller().scope == "admin" else f"{parse(url).origin}/…"


def _row(delivery: Delivery) -> dict[str, Any]:
    return {
        "id": delivery.id,
        "event": delivery.event,
        "chat_id": delivery.chat_id or None,
        "message_id": delivery.message_id,
        "state": delivery.shown_state,
        "tries": delivery.tries,
        "last_error": delivery.last_error or None,
        "response_status": delivery.response_status,
        "created_at": time_text(delivery.created_at),
        "ended_at": _time(delivery.ended_at),
    }


def _time(seconds: int | None) -> str | None:
    return None if seconds is None else time_text(seconds)
