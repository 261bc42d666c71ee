"""Templates, their policy, and what every page gets. Made when somebody looks: an idle instance has none."""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from flask import Response, request

if TYPE_CHECKING:
    from jinja2 import Environment

HERE: Final = Path(__file__).parent
ASSETS: Final = {"ui.css": "text/css", "ui.js": "text/javascript", "icon.svg": "image/svg+xml"}
WORTH_PACKING: Final = 1024  # bytes


@cache
def environment() -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    return Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )


@cache
def versions() -> dict[str, str]:
    """Name -> the beginning of its hash: a new release is loaded at once, an old one from the browser's cache."""
    return {name: hashlib.sha256(_bytes(name)).hexdigest()[:12] for name in ASSETS}


@cache
def _bytes(name: str) -> bytes:
    return (HERE / "static" / name).read_bytes()


def policy(portal: str) -> str:
    """Content-Security-Policy: what is ours and nothing else; framed by the portal only, by nobody without one."""
    frames = portal or "'none'"
    return (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; media-src 'self'; connect-src 'self';"
        f" form-action 'self'; base-uri 'none'; frame-ancestors {frames}"
    )


def rendered(template: str, context: Mapping[str, Any]) -> str:
    return environment().get_template(template).render(context)


def fragment(template: str, macro: str, **values: Any) -> str:
    """What one macro of a template makes of these values."""
    return str(getattr(environment().get_template(template).module, macro)(**values))


def asset(name: str) -> Response:
    response = packed(Response(_bytes(name), mimetype=ASSETS[name]))
    response.headers["Cache-Control"] = "public, max-age=31536000, immutable"
    return response


def packed(response: Response) -> Response:
    """gzip, when the browser takes it: a page of bubbles becomes a tenth."""
    response.vary.add("Accept-Encoding")
    data = response.get_data()
    if request.accept_encodings["gzip"] > 0 and len(data) >= WORTH_PACKING:
        response.set_data(gzip.compress(data, 1, mtime=0))
        response.headers["Content-Encoding"] = "gzip"
    return response
