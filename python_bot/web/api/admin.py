"""`/api/admin/…`: the runtime switch, the state of the instance, a fresh archive."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import Blueprint, Response, jsonify

from ..access import Access


def blueprint(
    access: Access,
    status: Callable[[], dict[str, Any]],
    switch: Callable[[bool], None],
    reinit_db: Callable[[], str],
    arrivals: Callable[[], dict[str, str]],
) -> Blueprint:
    """`status`: the state as JSON values; `switch`: on or off; `reinit_db`: returns the name of the kept copy.

    `arrivals`: the marked requests of the doctor that arrived, with the path that each had then.
    """
    admin = Blueprint("admin", __name__, url_prefix="/api/admin")
    admin.before_request(access.require_admin)

    @admin.get("/status")
    def get_status() -> Response:
        return jsonify(status())

    @admin.get("/arrivals")
    def get_arrivals() -> Response:
        return jsonify(arrivals=arrivals())

    @admin.post("/enable")
    def enable() -> Response:
        switch(True)
        return jsonify(ok=True, enabled=True)

    @admin.post("/disable")
    def disable() -> Response:
        switch(False)
        return jsonify(ok=True, enabled=False)

    @admin.post("/reinit_db")
    def reinit() -> Response:
        return jsonify(ok=True, copy=reinit_db())

    return admin
