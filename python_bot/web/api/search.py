"""`/api/search`: messages by their words, with the place where they were found."""

from __future__ import annotations

from flask import Blueprint, Response, request

from ..access import Access, caller
from .answers import json_text
from .lists import Lists


def blueprint(lists: Lists, access: Access) -> Blueprint:
    api = Blueprint("search", __name__, url_prefix="/api")
    api.before_request(access.require_reader_of_a_line)

    @api.get("/search")
    def messages() -> Response:
        return json_text(lists.search(request.args, caller()))

    return api
