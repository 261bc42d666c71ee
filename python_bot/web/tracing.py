"""The trace of a request: nginx's X-Request-Id when it looks like one, else a new one."""

from __future__ import annotations

import re
import secrets
from typing import Final

from flask import g, request

_TRACE: Final = re.compile(r"[0-9A-Za-z-]{8,64}")


def trace_id() -> str:
    if "trace_id" not in g:
        given = request.headers.get("X-Request-Id", "")
        g.trace_id = given if _TRACE.fullmatch(given) else secrets.token_hex(8)
    found: str = g.trace_id
    return found
