"""`/api/stats`: how much was said when and where, and how long people waited."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Final

from flask import Blueprint, Response, jsonify, request

from ...archive import Archive
from ...model import DialogFilter
from ..access import Access, caller, narrowed
from . import params, wanted

NAMES: Final = (
    "since",
    "until",
    "date",
    "start_time",
    "end_time",
    "tz_offset",
    "line_id",
    "connector_id",
    "operator_id",
    "client_id",
)
DEFAULT_S: Final = 30 * 86_400


def blueprint(archive: Archive, access: Access) -> Blueprint:
    api = Blueprint("stats", __name__, url_prefix="/api")
    api.before_request(access.require_reader_of_a_line)

    @api.get("/stats")
    def stats() -> Response:
        params.refuse_unknown(request.args, *NAMES)
        chosen = _with_ends(narrowed(wanted.read_filter(request.args, by_the_clock=True), caller()), int(time.time()))
        return jsonify(archive.stats(chosen, wanted.offset_s(request.args)))

    return api


def _with_ends(chosen: DialogFilter, now: int) -> DialogFilter:
    """The 30 days before `until` when no beginning is named; until now when no end is."""
    until = now if chosen.until is None else chosen.until
    return replace(chosen, since=until - DEFAULT_S if chosen.since is None else chosen.since, until=until)
