"""All pages of `/ui/` together."""

from __future__ import annotations

from collections.abc import Callable

from flask import Blueprint, Response, redirect
from werkzeug.exceptions import NotFound
from werkzeug.wrappers import Response as AnyResponse

from ...archive import Archive, Views
from ...attachments import ContentStore
from ...search import Search
from ...values import dataclass
from ...visitors import Visitors
from ..api.export import Streams
from ..inbound import note
from . import conversation, dialogs, entry, figures, health, looks
from .frame import Frame
from .keeper import Keeper
from .render import ASSETS, asset


@dataclass(frozen=True, slots=True)
class Parts:
    """What the pages read and ask."""

    archive: Archive
    views: Views
    search: Search
    contents: ContentStore
    streams: Streams
    visitors: Visitors
    care: health.Care


def blueprint(parts: Parts, keeper: Keeper, portal: Callable[[], str], prefix: str) -> Blueprint:
    """`prefix`: of the instance's public addresses, '/acme' or ''."""
    frame = Frame(keeper, portal, f"{prefix}/ui")
    ui = Blueprint("ui", __name__, url_prefix="/ui")
    ui.after_request(frame.finish)
    frame.handle_errors(ui)

    @ui.before_request
    def name_kind() -> None:
        note().kind = "ui"
        frame.refuse_other_sites()

    @ui.get("/static/<name>")
    def static(name: str) -> Response:
        if name not in ASSETS:
            raise NotFound
        return asset(name)

    entry.put_on(ui, frame)
    dialogs.put_on(ui, frame, parts.archive, parts.views, parts.search)
    conversation.put_on(ui, frame, parts.archive, parts.views, parts.contents, parts.streams)
    figures.put_on(ui, frame, parts.archive, parts.views)
    health.put_on(ui, frame, parts.care)
    looks.put_on(ui, frame, parts.visitors)

    @ui.get("")
    def bare() -> AnyResponse:
        return redirect(f"{frame.base}/", 308)

    @ui.get("/<path:rest>")
    def unknown(rest: str) -> AnyResponse:
        raise NotFound

    return ui
