"""Errors of the API: the right status and {"error": {"code", "message", "trace_id"}}; never a stack trace."""

from __future__ import annotations

import json
import logging

from flask import Flask, Response, request
from werkzeug.exceptions import HTTPException

from ..errors import StorageError
from .inbound import note
from .tracing import trace_id

log = logging.getLogger(__name__)


class ApiError(Exception):
    """`code` for programs, `message` for people: what happened and what to do."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message


def answer(status: int, code: str, message: str) -> Response:
    note().error_code = code
    body = {"error": {"code": code, "message": message, "trace_id": trace_id()}}
    response = Response(json.dumps(body, ensure_ascii=False), status, mimetype="application/json")
    if status == 401:
        response.headers["WWW-Authenticate"] = "Bearer"
    return response


def register(app: Flask) -> None:
    @app.errorhandler(ApiError)
    def api_error(error: ApiError) -> Response:
        return answer(error.status, error.code, error.message)

    @app.errorhandler(HTTPException)
    def http_error(error: HTTPException) -> Response:
        status = error.code or 500
        code = (error.name or "error").lower().replace(" ", "_")
        response = answer(status, code, _MESSAGES.get(status) or f"{error.name}: {request.method} {request.path}")
        allowed = getattr(error, "valid_methods", None)
        if allowed:
            response.headers["Allow"] = ", ".join(sorted(allowed))
        return response

    @app.errorhandler(StorageError)
    def storage_error(error: StorageError) -> Response:
        log.error("a request failed: %s", error, extra={"trace_id": trace_id()})
        return answer(503, "storage_unavailable", f"{error}; {error.next_step}".rstrip("; "))

    @app.errorhandler(Exception)
    def unforeseen(error: Exception) -> Response:
        log.exception("a request failed in an unforeseen way", extra={"trace_id": trace_id()})
        return answer(500, "internal_error", "this is a fault of ours; the log has it under this trace_id")


_MESSAGES = {
    404: "there is nothing at this address; docs/api.md lists the addresses",
    405: "this address does not take this method",
    413: "the body is too large",
}
