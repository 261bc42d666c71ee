"""Floods: about 30 messages a second in all, one a second in a chat, twenty a minute in a group.

The real numbers are not published; bursts pass. A refused request costs nothing, and tells when to come again.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field


@dataclass(slots=True)
class _Bucket:
    depth: float
    per_s: float
    level: float = 0.0
    at: float = 0.0

    def wait_s(self, now: float) -> float:
        """0 when there is room, else how long until there is."""
        self.level = max(0.0, self.level - max(0.0, now - self.at) * self.per_s)
        self.at = now
        return max(0.0, (self.level + 1 - self.depth) / self.per_s)

    def take(self, count: int) -> None:
        self.level += count


@dataclass(slots=True)
class Flood:
    """`enabled` False: a server that never says 429 by itself. What is set here counts for chats met afterwards."""

    enabled: bool = True
    all_per_s: float = 30.0
    chat_per_s: float = 1.0
    chat_burst: int = 5
    group_per_minute: float = 20.0
    refused: int = 0  # requests answered 429
    _buckets: dict[tuple[int, int], _Bucket] = field(default_factory=dict)

    def wait_s(self, bot_id: int, chat_id: int, is_group: bool, now: float, count: int = 1) -> int:
        """Seconds to wait before this may be sent; 0: it is let through, and counted. An album counts as its parts."""
        if not self.enabled:
            return 0
        buckets = [self._bucket(bot_id, 0, self.all_per_s, self.all_per_s)]
        if is_group:
            buckets.append(self._bucket(bot_id, chat_id, self.group_per_minute, self.group_per_minute / 60))
        else:
            buckets.append(self._bucket(bot_id, chat_id, self.chat_burst, self.chat_per_s))
        wait = max(bucket.wait_s(now) for bucket in buckets)
        if wait > 1e-6:
            self.refused += 1
            return math.ceil(wait)
        for bucket in buckets:
            bucket.take(count)
        return 0

    def _bucket(self, bot_id: int, chat_id: int, depth: float, per_s: float) -> _Bucket:
        return self._buckets.setdefault((bot_id, chat_id), _Bucket(depth, per_s))
