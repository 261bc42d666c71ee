"""imopenlines.config.*: lines and the bot that greets on them."""

from __future__ import annotations

from typing import Any, Final

from ..call import Ctx, Method, RestError, table
from ..model import LINE_DEFAULTS, Line
from ..php import as_int, as_text, is_yes, upper_keys, values_of

# Any of these without WELCOME_BOT_ENABLE=Y in the same call, and what is left out, falls back.
BOT_RESET: Final = {"WELCOME_BOT_ID": "0", "WELCOME_BOT_TIME": "600", "WELCOME_BOT_LEFT": "queue"}
LISTED: Final = ("WELCOME_BOT_ENABLE", "WELCOME_BOT_ID", "WELCOME_BOT_JOIN", "WELCOME_BOT_TIME", "WELCOME_BOT_LEFT")


def list_get(ctx: Ctx) -> list[dict[str, Any]]:
    params, options = ctx.params.get("PARAMS", {}), ctx.params.get("OPTIONS", {})
    if not isinstance(params, dict | list) or not isinstance(options, dict | list):
        raise RestError(400, "INVALID_FORMAT", "A wrong format for the PARAMS or OPTIONS")
    query = params if isinstance(params, dict) else {}
    with_queue = isinstance(options, dict) and is_yes(options.get("QUEUE"))
    rows = [_listed(line, with_queue) for line in ctx.core.lines.values()]
    for key, wanted in _map(query.get("filter")).items():
        accepted = {as_text(value) for value in values_of(wanted)}
        rows = [row for row in rows if row.get(key.lstrip("=@").upper()) in accepted]
    for key, direction in _map(query.get("order")).items():
        rows.sort(key=lambda row: _sort_key(row.get(key.upper())), reverse=as_text(direction).upper() == "DESC")
    first = as_int(query.get("offset"))
    limit = as_int(query.get("limit")) or len(rows)
    rows = rows[first : first + limit]
    chosen = [as_text(name).upper() for name in values_of(query.get("select")) if as_text(name) != "*"]
    return [{key: row[key] for key in chosen if key in row} for row in rows] if chosen else rows


def get(ctx: Ctx) -> Any:
    """One line with all fields as strings; `false` when there is none."""
    line = ctx.core.lines.get(_config_id(ctx))
    if line is None:
        return False
    row: dict[str, Any] = {
        "ID": str(line.line_id),
        "LINE_NAME": line.name,
        "ACTIVE": "Y" if line.active else "N",
        **line.fields,
        "DATE_CREATE": {},
    }
    if ctx.text("WITH_QUEUE").upper() != "N":
        row["QUEUE"] = [str(user_id) for user_id in line.queue]
    return row


def update(ctx: Ctx) -> bool:
    line_id = _config_id(ctx)
    _check_rights(ctx)
    line = ctx.core.lines.get(line_id)
    if line is None:
        return False
    apply(line, ctx.map("PARAMS"))
    return True


def add(ctx: Ctx) -> int:
    _check_rights(ctx)
    params = ctx.map("PARAMS")
    line_id = max(ctx.core.lines, default=0) + 1
    line = Line(line_id, as_text(params.get("LINE_NAME")) or f"Линия {line_id}", [ctx.user.user_id])
    ctx.core.lines[line_id] = line
    apply(line, params)
    return line_id


def delete(ctx: Ctx) -> bool:
    line_id = _config_id(ctx)
    _check_rights(ctx)
    if ctx.core.lines.pop(line_id, None) is None:
        return False
    ctx.core.events.line_deleted(line_id, ctx.user.user_id)
    return True


def path_get(ctx: Ctx) -> dict[str, str]:
    return {"SERVER_ADDRESS": ctx.core.url, "PUBLIC_PATH": "/contact_center/lines_edit/"}


def apply(line: Line, params: dict[str, Any]) -> None:
    """What saving a line does with its fields, including how it loses bot settings."""
    sent = {key: as_text(value) for key, value in params.items() if key in LINE_DEFAULTS}
    line.name = as_text(params.get("LINE_NAME")) or line.name
    if "ACTIVE" in params:
        line.active = is_yes(params["ACTIVE"])
    if "QUEUE" in params:
        line.queue = [as_int(_queue_member(row)) for row in values_of(params["QUEUE"])]
    if "WELCOME_BOT_ENABLE" in sent or BOT_RESET.keys() & sent.keys():
        enabled = is_yes(sent.get("WELCOME_BOT_ENABLE"))
        for key, reset in BOT_RESET.items():
            sent[key] = sent.get(key, reset) if enabled else reset
        if "WELCOME_BOT_ENABLE" in sent:
            sent["WELCOME_BOT_ENABLE"] = "Y" if enabled else "N"
        if sent["WELCOME_BOT_LEFT"] not in ("queue", "close"):
            sent["WELCOME_BOT_LEFT"] = "queue"
        for key in ("WELCOME_BOT_ID", "WELCOME_BOT_TIME"):
            sent[key] = str(as_int(sent[key]))
    line.fields.update(sent)


def _queue_member(row: Any) -> Any:
    return upper_keys(row).get("ENTITY_ID") if isinstance(row, dict) else row


def _listed(line: Line, with_queue: bool) -> dict[str, Any]:
    row: dict[str, Any] = {"ID": str(line.line_id), "LINE_NAME": line.name, "ACTIVE": "Y" if line.active else "N"}
    row |= {key: line.fields[key] for key in LISTED}
    if with_queue:
        row["QUEUE"] = [str(user_id) for user_id in line.queue]
    return row


def _config_id(ctx: Ctx) -> int:
    if not ctx.int("CONFIG_ID"):
        raise RestError(400, "CONFIG_ID_EMPTY", "Config ID can't be empty")
    return ctx.int("CONFIG_ID")


def _check_rights(ctx: Ctx) -> None:
    if not ctx.is_admin():
        raise RestError(403, "CONFIG_WRONG_USER_PERMISSION", "Permission denied")


def _map(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _sort_key(value: Any) -> tuple[int, str]:
    return (as_int(value), as_text(value))


METHODS: Final = table(
    Method("imopenlines.config.list.get", list_get, scope="imopenlines", upper_keys=False),
    Method("imopenlines.config.get", get, scope="imopenlines", upper_keys=False),
    Method("imopenlines.config.update", update, scope="imopenlines", upper_keys=False),
    Method("imopenlines.config.add", add, scope="imopenlines", upper_keys=False),
    Method("imopenlines.config.delete", delete, scope="imopenlines", upper_keys=False),
    Method("imopenlines.config.path.get", path_get, scope="imopenlines", upper_keys=False),
)
