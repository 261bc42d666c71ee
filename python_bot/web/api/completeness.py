"""`/api/completeness`: what was captured, and what is missing, by dialog and day."""

from __future__ import annotations

from flask import Blueprint, Response, jsonify, request

from ...proof.report import Report
from ..access import Access
from . import params, wanted

CURSOR = "k"


def blueprint(report: Report, access: Access) -> Blueprint:
    api = Blueprint("completeness", __name__, url_prefix="/api")
    api.before_request(access.require_reader)

    @api.get("/completeness")
    def completeness() -> Response:
        params.refuse_unknown(request.args, "since", "until", "limit", "cursor")
        since, until = wanted.read_window(request.args)
        after = params.read_cursor(CURSOR, request.args, 2)
        days, next_key = report.days(after, params.limit(request.args), since or 0, until)
        # Counted once: whoever pages on has them already.
        totals = report.totals(since or 0, until) if after is None else None
        return jsonify(totals=totals, days=days, next_cursor=params.write_cursor(CURSOR, next_key))

    return api
