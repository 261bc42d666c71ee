"""How many requests an account may make; the numbers of the real one are not published."""

from __future__ import annotations

import math
from dataclasses import dataclass, field


@dataclass(slots=True)
class Limit:
    """A bucket per account, `depth` deep, that `per_minute` leave. `tells_when`: whether 429 says Retry-After."""

    enabled: bool = True
    depth: float = 60.0
    per_minute: float = 60.0
    tells_when: bool = True
    refused: int = 0
    _levels: dict[int, tuple[float, float]] = field(default_factory=dict)

    def wait_s(self, user_id: int, now: float) -> int:
        """0: let through, and counted; else after how many seconds there is room."""
        if not self.enabled:
            return 0
        level, at = self._levels.get(user_id, (0.0, now))
        level = max(0.0, level - max(0.0, now - at) * self.per_minute / 60)
        over = level + 1 - self.depth
        if over > 1e-6:
            self._levels[user_id] = (level, now)
            self.refused += 1
            return max(1, math.ceil(over * 60 / self.per_minute))
        self._levels[user_id] = (level + 1, now)
        return 0
