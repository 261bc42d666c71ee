"""`/healthz`, `/readyz`, `/metrics`: for monitoring on this machine, or with the token."""

from __future__ import annotations

from collections.abc import Callable

from flask import Blueprint, Response, jsonify

from .access import Access


def blueprint(access: Access, readiness: Callable[[], dict[str, str]], metrics_text: Callable[[], str]) -> Blueprint:
    """`readiness`: what is wrong, by part; empty when all is well."""
    monitoring = Blueprint("monitoring", __name__)
    monitoring.before_request(access.require_monitor)

    @monitoring.get("/healthz")
    def healthz() -> Response:
        return jsonify(status="ok")

    @monitoring.get("/readyz")
    def readyz() -> tuple[Response, int]:
        problems = readiness()
        return (jsonify(status="ok"), 200) if not problems else (jsonify(status="failing", problems=problems), 503)

    @monitoring.get("/metrics")
    def metrics() -> Response:
        return Response(metrics_text(), mimetype="text/plain; version=0.0.4; charset=utf-8")

    return monitoring
