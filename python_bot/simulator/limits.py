"""The two limits of a cloud portal: requests per source address, and working time per method."""

from __future__ import annotations

from collections import deque

BASKET_S = 60
BASKETS = 10


class LeakyBucket:
    """50 deep, 2 requests a second leak out; a refused request adds nothing."""

    def __init__(self, depth: float = 50, drain_per_s: float = 2.0) -> None:
        self.depth = depth
        self.drain_per_s = drain_per_s
        self.refused = 0
        self._levels: dict[str, tuple[float, float]] = {}  # source -> (level, at)

    def admit(self, source: str, now: float) -> bool:
        level, at = self._levels.get(source, (0.0, now))
        level = max(0.0, level - (now - at) * self.drain_per_s)
        if level + 1 > self.depth:
            self.refused += 1
            self._levels[source] = (level, now)
            return False
        self._levels[source] = (level + 1, now)
        return True


class OperatingTime:
    """Seconds one application spent in one method during the last ten one-minute baskets."""

    def __init__(self, budget_s: float = 480.0) -> None:
        self.budget_s = budget_s
        self.cost_s: dict[str, float] = {}  # a test sets what one call of a method costs
        self.refused = 0
        self._baskets: dict[tuple[str, str], deque[tuple[int, float]]] = {}
        self._blocked_until: dict[str, float] = {}

    def block(self, method: str, until: float) -> None:
        self._blocked_until[method.lower()] = until

    def spent(self, owner: str, method: str, now: float) -> float:
        baskets = self._baskets.get((owner, method.lower()), deque())
        while baskets and baskets[0][0] <= int(now // BASKET_S) - BASKETS:
            baskets.popleft()
        return sum(seconds for _, seconds in baskets)

    def add(self, owner: str, method: str, now: float, seconds: float) -> None:
        seconds = self.cost_s.get(method.lower(), seconds)
        basket = int(now // BASKET_S)
        baskets = self._baskets.setdefault((owner, method.lower()), deque())
        if baskets and baskets[-1][0] == basket:
            baskets[-1] = (basket, baskets[-1][1] + seconds)
        else:
            baskets.append((basket, seconds))

    def reset_at(self, owner: str, method: str, now: float) -> int:
        """When the oldest basket drops out: Unix seconds."""
        blocked = self._blocked_until.get(method.lower(), 0.0)
        if blocked > now:
            return int(blocked) + 1
        baskets = self._baskets.get((owner, method.lower()))
        oldest = baskets[0][0] if baskets else int(now // BASKET_S)
        return (oldest + BASKETS) * BASKET_S

    def admit(self, owner: str, method: str, now: float, budget: bool) -> bool:
        """`budget` False: only a block set by a test counts (a self-hosted portal has no budget)."""
        blocked = self._blocked_until.get(method.lower(), 0.0) > now
        if blocked or (budget and self.spent(owner, method, now) >= self.budget_s):
            self.refused += 1
            return False
        return True


class Limits:
    """What a portal enforces; `enabled` False is a self-hosted portal."""

    def __init__(self, enabled: bool) -> None:
        self.enabled = enabled
        self.bucket = LeakyBucket()
        self.operating = OperatingTime()

    @property
    def refused(self) -> int:
        """Requests answered 503 because the bucket was full."""
        return self.bucket.refused
