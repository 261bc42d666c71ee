"""Search over one archive: the index names candidates, the archive shows those that the filter lets through."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from ..archive import Archive
from ..model import ANY_DIALOG, DialogFilter, Found, JsonPage
from .contract import SearchOrder
from .index import CHUNK, START, Index
from .query import Query
from .reading import Fragments

FEW_CHATS: Final = 40  # so many dialogs are sooner read through than the whole archive's hits
BACKLOG_COUNTED: Final = 100_000
MOMENT: Final = 200  # changes that the index learns in a moment: worth waiting for
LOOK_S: Final = 0.1  # another process may be the one that indexes
NEWEST: Final = 2**62
TURN_S: Final = 0.02  # several times what a search usually takes

_quoted: Final = json.JSONEncoder(ensure_ascii=False).encode  # json.dumps makes an encoder for each text


class IndexedSearch:
    """Implements `contract.Search` over one `Index`."""

    def __init__(self, archive: Archive, index: Index) -> None:
        self._archive = archive
        self._index = index
        self._turns = threading.Lock()

    def find(
        self,
        query: Query,
        after: tuple[int, ...] | None,
        limit: int,
        wanted: DialogFilter = ANY_DIALOG,
        order: SearchOrder = "newest",
    ) -> JsonPage:
        with self._turn():
            if order == "relevance":
                return self._best(query, after[0] if after else 0, limit, wanted)
            return self._newest(query, after, limit, wanted)

    @contextmanager
    def _turn(self) -> Iterator[None]:
        """One after the other, unless one takes long: those who waited for the index all come at the same moment."""
        mine = self._turns.acquire(timeout=TURN_S)
        try:
            yield
        finally:
            if mine:
                self._turns.release()

    def _newest(self, query: Query, after: tuple[int, ...] | None, limit: int, wanted: DialogFilter) -> JsonPage:
        before = after[0] if after else NEWEST
        chats = self._archive.few_chats(wanted, FEW_CHATS)
        shown: list[Found] = []
        chunk = min(CHUNK, limit + 1)
        while len(shown) <= limit:
            if chats is None:
                ids = self._index.newest(query, before, chunk)
            else:
                ids = self._index.in_chats(query, chats, before, chunk)
            shown += self._archive.found(ids, wanted)
            if len(ids) < chunk:
                break
            before, chunk = ids[-1], CHUNK
        return _page(query, shown[:limit], (shown[limit - 1].message_id,) if len(shown) > limit else None)

    def message_ids(self, query: Query, most: int) -> list[int]:
        return self._index.newest(query, NEWEST, most)

    def settle(self, timeout_s: float) -> None:
        end = time.monotonic() + timeout_s
        committed = self._archive.wait_for_change(0, 0.0)
        while 0 < self._behind(MOMENT) < MOMENT and time.monotonic() < end:
            if self._index.freshness.wait(committed, LOOK_S):
                return

    def backlog(self) -> int:
        return self._behind(BACKLOG_COUNTED)

    def _behind(self, most: int) -> int:
        state = self._index.state()
        return self._archive.backlog(state.position if state else START, most)

    def _best(self, query: Query, offset: int, limit: int, wanted: DialogFilter) -> JsonPage:
        """`offset` counts ranked hits, shown or not."""
        shown: list[tuple[int, Found]] = []
        while len(shown) <= limit:
            ids = self._index.best(query, offset, CHUNK)
            place = {message_id: offset + i for i, message_id in enumerate(ids)}
            shown += [(place[item.message_id], item) for item in self._archive.found(ids, wanted)]
            offset += len(ids)
            if len(ids) < CHUNK:
                break
        next_key = (shown[limit - 1][0] + 1,) if len(shown) > limit else None
        return _page(query, [item for _, item in shown[:limit]], next_key)


def _page(query: Query, shown: list[Found], next_key: tuple[int, ...] | None) -> JsonPage:
    fragments = Fragments(query)
    items = ",".join(_shown(found, fragments) for found in shown)
    return JsonPage(f"[{items}]".encode(), next_key)


def _shown(found: Found, fragments: Fragments) -> str:
    where = _quoted(fragments.of(found.text, found.beside))
    return f'{found.item.removesuffix("}")},"fragment":{where}}}'
