"""Applications, profiles, employees, event handlers."""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import urlsplit

from ..call import Ctx, Method, RestError, table
from ..clock import iso
from ..events import EVENTS_OF_SCOPE
from ..model import User
from ..php import as_int, as_text, is_yes, upper_keys, values_of

ALL_SCOPES = ("imbot", "imopenlines", "im", "disk", "crm", "user", "user_basic", "user_brief", "task")


def app_info(ctx: Ctx) -> dict[str, Any]:
    return {
        "ID": ctx.app.number,
        "CODE": ctx.app.client_id,
        "VERSION": ctx.app.version,
        "STATUS": "L",
        "INSTALLED": ctx.app.installed,
        "PAYMENT_EXPIRED": "N",
        "DAYS": None,
        "LANGUAGE_ID": "ru",
        "LICENSE": "ru_pro100",
        "LICENSE_TYPE": "pro100",
        "LICENSE_FAMILY": "pro",
    }


def profile(ctx: Ctx) -> dict[str, Any]:
    return {
        "ID": str(ctx.user.user_id),
        "ADMIN": ctx.user.admin,
        "NAME": ctx.user.first_name,
        "LAST_NAME": ctx.user.last_name,
        "PERSONAL_GENDER": ctx.user.gender,
        "TIME_ZONE": "Europe/Moscow",
    }


def scope(ctx: Ctx) -> list[str]:
    return list(ALL_SCOPES if is_yes(ctx.params.get("FULL")) else ctx.caller.scopes)


def server_time(ctx: Ctx) -> str:
    return iso(ctx.core.clock.now())


def user_current(ctx: Ctx) -> dict[str, Any]:
    return employee(ctx.user)


def user_get(ctx: Ctx) -> list[dict[str, Any]]:
    """Employees, 50 a page. Filters by ID (one, a list, or `>ID`) and ACTIVE; sorted by ID."""
    wanted = upper_keys(ctx.map("FILTER")) | {k: v for k, v in ctx.params.items() if k in ("ID", ">ID", "ACTIVE")}
    rows = sorted((user for user in ctx.core.users.values() if user.is_employee), key=lambda user: user.user_id)
    if "ID" in wanted:
        ids = {as_int(value) for value in values_of(wanted["ID"])}
        rows = [user for user in rows if user.user_id in ids]
    if ">ID" in wanted:
        rows = [user for user in rows if user.user_id > as_int(wanted[">ID"])]
    if "ACTIVE" in wanted:
        rows = [user for user in rows if user.active == is_yes(wanted["ACTIVE"])]
    if ctx.text("ORDER").upper() == "DESC" or as_text(upper_keys(ctx.map("ORDER")).get("ID")).upper() == "DESC":
        rows.reverse()
    return ctx.page([employee(user) for user in rows])


def employee(user: User) -> dict[str, Any]:
    return {
        "ID": str(user.user_id),
        "ACTIVE": user.active,
        "NAME": user.first_name,
        "LAST_NAME": user.last_name,
        "EMAIL": f"user{user.user_id}@example.ru",
        "PERSONAL_GENDER": user.gender,
        "PERSONAL_PHOTO": None,
        "WORK_POSITION": user.position,
        "UF_DEPARTMENT": [1],
        "USER_TYPE": "employee",
    }


# event handlers


def event_bind(ctx: Ctx) -> bool:
    event = ctx.text("EVENT").upper()
    if not event or not ctx.text("HANDLER"):
        name = "EVENT" if not event else "HANDLER"
        raise RestError(400, "ERROR_ARGUMENT", f"Argument '{name}' is null or empty", {"argument": name})
    if event not in _events_for(ctx):
        raise RestError(400, "ERROR_EVENT_NOT_FOUND", "Event not found")
    url, auth_type = ctx.text("HANDLER"), ctx.int("AUTH_TYPE")
    if ctx.text("EVENT_TYPE").lower() == "offline" or auth_type not in (0, ctx.user.user_id):
        if not ctx.is_admin():
            raise RestError(403, "ACCESS_DENIED", "Access denied!")
        if ctx.text("EVENT_TYPE").lower() == "offline":
            raise RestError(400, "ERROR_CORE", "Offline events are not part of this portal")
    refused = url_refusal(url)
    if refused is not None:
        raise refused
    for handler in ctx.core.handlers:
        if (handler.owner, handler.event, handler.url, handler.auth_type) == (ctx.owner, event, url, auth_type):
            raise RestError(400, "ERROR_CORE", "Unable to set event handler: Handler already binded")
    ctx.core.bind(ctx.owner, event, url, auth_type)
    return True


def event_unbind(ctx: Ctx) -> dict[str, int]:
    event, url = ctx.text("EVENT").upper(), ctx.text("HANDLER")
    if not event or not url:
        name = "EVENT" if not event else "HANDLER"
        raise RestError(400, "ERROR_ARGUMENT", f"Argument '{name}' is null or empty", {"argument": name})
    auth_type = ctx.int("AUTH_TYPE") if "AUTH_TYPE" in ctx.params else None
    return {"count": ctx.core.unbind(ctx.owner, event, url, auth_type)}


def event_get(ctx: Ctx) -> list[dict[str, Any]]:
    return [
        {
            "event": handler.event,
            "handler": handler.url,
            "auth_type": str(handler.auth_type),
            "offline": int(handler.offline),
        }
        for handler in ctx.core.handlers
        if handler.owner == ctx.owner
    ]


def event_test(ctx: Ctx) -> int:
    ctx.core.events.app_test(ctx.app, ctx.user.user_id, ctx.params)
    return 1


def events(ctx: Ctx) -> list[str]:
    only = ctx.params.get("SCOPE")
    return list(EVENTS_OF_SCOPE.get(as_text(only), ())) if only is not None else _events_for(ctx)


def _events_for(ctx: Ctx) -> list[str]:
    scopes = ("", *ctx.caller.scopes)
    return [event for scope in scopes for event in EVENTS_OF_SCOPE.get(scope, ())]


def url_refusal(url: str) -> RestError | None:
    """The portal only looks at the text of a handler URL: http or https, and a dot in the host."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        return RestError(400, "ERROR_WRONG_HANDLER_URL", "Wrong handler URL")
    if parts.scheme not in ("http", "https"):
        return RestError(400, "ERROR_UNSUPPORTED_PROTOCOL", "Unsupported event handler protocol")
    if host.find(".") <= 0:
        return RestError(400, "ERROR_WRONG_HANDLER_URL", "Wrong handler URL")
    return None


METHODS: Final = table(
    Method("app.info", app_info, app_only="ACCESS_DENIED"),
    Method("profile", profile),
    Method("scope", scope),
    Method("server.time", server_time),
    Method("user.current", user_current, scope="user"),
    Method("user.get", user_get, scope="user"),
    Method("event.bind", event_bind, app_only="WRONG_AUTH_TYPE"),
    Method("event.unbind", event_unbind, app_only="WRONG_AUTH_TYPE"),
    Method("event.get", event_get, app_only="WRONG_AUTH_TYPE"),
    Method("event.test", event_test, app_only="WRONG_AUTH_TYPE", upper_keys=False),
    Method("events", events),
)
