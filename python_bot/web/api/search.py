"""`/api/search`: messages by their words, with the place where they were found."""

from __future__ import annotations

from typing import Final, get_args

from flask import Blueprint, Response, request

from ...search import Search, SearchOrder
from ..access import Access, narrowed
from . import params, wanted
from .answers import json_list

ORDERS: Final[tuple[SearchOrder, ...]] = get_args(SearchOrder)
SETTLE_S: Final = 1.0  # what was said a moment ago is found, too


def blueprint(search: Search, access: Access) -> Blueprint:
    api = Blueprint("search", __name__, url_prefix="/api")
    api.before_request(access.require_reader_of_a_line)

    @api.get("/search")
    def messages() -> Response:
        params.refuse_unknown(request.args, "q", "limit", "cursor", "sort", *wanted.NAMES)
        query = wanted.read_query(request.args)
        chosen = narrowed(wanted.read_filter(request.args))
        order = params.one_of(request.args, "sort", ORDERS, "newest")
        name = f"s.{order}"
        after, limit = params.read_cursor(name, request.args), params.limit(request.args)
        search.settle(SETTLE_S)
        page = search.find(query, after, limit, chosen, order)
        return json_list("messages", page.items, params.write_cursor(name, page.next_key))

    return api
