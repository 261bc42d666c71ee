"""The lists that integrators read most: `/api/dialogs`, `/api/messages`, `/api/search`. From parameters to JSON text,
whoever asks through whatever: `web.api` answers with them through Flask, `web.list_shortcut` past it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, get_args

from ...archive import Archive
from ...model import DialogOrder, MessageOrder
from ...search import Search, SearchOrder
from ..access import Caller, narrowed
from ..errors import ApiError
from . import params, wanted
from .long_poll import LongPoll

Query = Mapping[str, str]
List = Callable[[Query, Caller], bytes]

MAX_WAIT_S: Final = 60
SETTLE_S: Final = 1.0  # what was said a moment ago is found, too
START: Final = (1 - 10**18, 1 - 10**18)  # before every message: imported ones have numbers below zero
DIALOG_ORDERS: Final[tuple[DialogOrder, ...]] = get_args(DialogOrder)
MESSAGE_ORDERS: Final[tuple[MessageOrder, ...]] = get_args(MessageOrder)
SEARCH_ORDERS: Final[tuple[SearchOrder, ...]] = get_args(SearchOrder)
_OF_DIALOGS: Final = ("limit", "cursor", "sort", "q", *wanted.NAMES)
_OF_MESSAGES: Final = ("limit", "cursor", "sort", "wait", "q", *wanted.NAMES)
_OF_SEARCH: Final = ("q", "limit", "cursor", "sort", *wanted.NAMES)


class Lists:
    """Each raises ApiError for what cannot be asked so, and StorageError. A caller of one line sees that line."""

    def __init__(self, archive: Archive, search: Search, long_poll: LongPoll) -> None:
        self._archive = archive
        self._search = search
        self._long_poll = long_poll

    def dialogs(self, query: Query, caller: Caller) -> bytes:
        params.refuse_unknown(query, *_OF_DIALOGS)
        chosen = narrowed(wanted.read_filter(query, self._search), caller)
        # Who asks for a time wants those who spoke then: their order has the index for it.
        default: DialogOrder = "newest" if chosen.since is None and chosen.until is None else "active"
        order = params.one_of(query, "sort", DIALOG_ORDERS, default)
        name = f"d.{order}"
        after = params.read_cursor(name, query, 1 if order in ("newest", "oldest") else 2)
        page = self._archive.dialogs_page(after, params.limit(query), chosen, order)
        return json_list(b"dialogs", page.items, params.write_cursor(name, page.next_key))

    def messages(self, query: Query, caller: Caller) -> bytes:
        params.refuse_unknown(query, *_OF_MESSAGES)
        chosen = narrowed(wanted.read_filter(query, self._search), caller)
        order = params.one_of(query, "sort", MESSAGE_ORDERS, "changed")
        name = f"f.{order}"
        after = params.read_cursor(name, query, 2)
        limit, wait_s = params.limit(query), params.seconds(query, "wait", MAX_WAIT_S)
        if wait_s and order != "changed":
            raise ApiError(400, "bad_parameter", "wait goes with sort=changed only")
        page = self._long_poll(lambda: self._archive.messages_feed(after, limit, chosen, order), wait_s)
        # At the end too: from there a follower goes on.
        return json_list(b"messages", page.items, params.write_cursor(name, page.last_key or after or START))

    def search(self, query: Query, caller: Caller) -> bytes:
        params.refuse_unknown(query, *_OF_SEARCH)
        words = wanted.read_query(query)
        chosen = narrowed(wanted.read_filter(query), caller)
        order = params.one_of(query, "sort", SEARCH_ORDERS, "newest")
        name = f"s.{order}"
        after, limit = params.read_cursor(name, query), params.limit(query)
        self._search.settle(SETTLE_S)
        page = self._search.find(words, after, limit, chosen, order)
        return json_list(b"messages", page.items, params.write_cursor(name, page.next_key))


def json_list(name: bytes, items: bytes, cursor: str | None) -> bytes:
    """{"<name>": [...], "next_cursor": …}; a cursor has no character that JSON would escape."""
    return b'{"%b":%b,"next_cursor":%b}' % (name, items, b'"%b"' % cursor.encode() if cursor else b"null")
