"""What a search over the archive promises, whatever stands behind it."""

from __future__ import annotations

from typing import Literal, Protocol

from ..model import ANY_DIALOG, DialogFilter, JsonPage
from .query import Query

SearchOrder = Literal["newest", "relevance"]


class Search(Protocol):
    def find(
        self,
        query: Query,
        after: tuple[int, ...] | None,
        limit: int,
        wanted: DialogFilter = ANY_DIALOG,
        order: SearchOrder = "newest",
    ) -> JsonPage:
        """Messages that the query names, as JSON with a `fragment` each: HTML, hits in <mark>.

        `relevance` ranks the newest hits only, so that its cost does not grow with the archive.
        """

    def message_ids(self, query: Query, most: int) -> list[int]:
        """The newest messages that the query names, at most so many."""

    def settle(self, timeout_s: float) -> None:
        """Wait for what was said just now, at most so long; not for an index that is being built."""

    def backlog(self) -> int:
        """How many changes of the archive the index does not know yet; 0 when it is up to date."""
