"""`/api/openapi.yaml` and `/api/`: what this API is, for programs and for people. No token: neither holds any data."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from flask import Blueprint, Response, redirect, request
from werkzeug.wrappers import Response as AnyResponse

from ..access import Access
from . import params

CONTRACT: Final = Path(__file__).with_name("openapi.yaml")
REFERENCE: Final = Path(__file__).with_name("reference.html")  # made from the contract by tests/support/reference.py
# The page has one style of its own, and loads nothing.
_POLICY: Final = (
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


def blueprint(access: Access) -> Blueprint:
    api = Blueprint("contract", __name__, url_prefix="/api")
    api.before_request(access.admit_anybody)

    @api.get("/openapi.yaml")
    def openapi() -> Response:
        params.refuse_unknown(request.args)
        response = Response(CONTRACT.read_bytes(), mimetype="application/yaml")
        response.headers["X-Content-Type-Options"] = "nosniff"
        return response

    @api.get("/")
    def page() -> AnyResponse:
        params.refuse_unknown(request.args)
        if not request.path.endswith("/"):
            return redirect("api/", 308)  # relative: nginx took the instance's prefix off the path
        response = Response(REFERENCE.read_bytes(), mimetype="text/html")
        response.headers["Content-Security-Policy"] = _POLICY
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers["Referrer-Policy"] = "no-referrer"
        return response

    return api
