"""Methods about methods: what exists, what this token may call."""

from __future__ import annotations

from typing import Any, Final

from ..call import Ctx, Method, table

KNOWN: Final[dict[str, Method]] = {}  # the whole table, filled once by the package


def methods(ctx: Ctx) -> list[str]:
    known = (method for method in KNOWN.values() if ctx.core.build.v2_supported or not method.v2)
    return [method.name for method in known if method.allowed_by(ctx.caller.scopes)]


def method_get(ctx: Ctx) -> dict[str, Any]:
    name = ctx.text("NAME")
    method = KNOWN.get(name.lower()) or KNOWN.get(name)
    exists = method is not None and (ctx.core.build.v2_supported or not method.v2)
    available = method is not None and exists and method.allowed_by(ctx.caller.scopes)
    return {"isExisting": exists, "isAvailable": available}


def batch(ctx: Ctx) -> None:
    """Run by the door itself; the row makes the name known."""


METHODS: Final = table(
    Method("methods", methods),
    Method("method.get", method_get),
    Method("batch", batch),
)
