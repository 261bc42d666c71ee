"""A refusal in the shapes that Avito has for it."""

from __future__ import annotations

from typing import Any

MESSAGES = {
    400: "Validation error", 401: "Unauthorized", 402: "Payment required", 403: "Forbidden", 404: "Not found",
    409: "Conflict", 410: "Gone", 429: "Too many requests", 500: "Internal server error", 503: "Service unavailable",
}  # fmt: skip


class Refused(Exception):
    """`fields`: what is wrong with which part of the request, for 400."""

    def __init__(self, status: int, message: str = "", fields: dict[str, str] | None = None, retry_after: int = 0):
        super().__init__(message)
        self.status, self.message = status, message or MESSAGES.get(status, "Error")
        self.fields, self.retry_after = fields, retry_after

    def wire(self, loose: bool) -> dict[str, Any]:
        """`loose`: as the edge of Avito words it, in a shape that its description does not have."""
        if loose:
            return (
                {"result": {"status": False, "message": self.message}}
                if self.status == 403
                else {"error": self.message}
            )
        error: dict[str, Any] = {"code": self.status, "message": self.message}
        return {"error": error | ({"fields": self.fields} if self.fields is not None else {})}


class NoRoute(Exception):
    """Nothing is there."""


def invalid(field: str, what: str) -> Refused:
    return Refused(400, "", {field: what})
