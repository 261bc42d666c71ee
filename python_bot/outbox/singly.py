"""Jobs that are done one by one: what most handlers of the worker do with what they are given."""

from __future__ import annotations

from collections.abc import Callable

from ..errors import B24BotError
from ..model import Job


def one_by_one(do: Callable[[Job], None], jobs: list[Job]) -> list[Exception | None]:
    """What came of each job: None when it was done. One that fails holds no other one up."""
    outcomes: list[Exception | None] = []
    for job in jobs:
        try:
            do(job)
            outcomes.append(None)
        except B24BotError as error:
            outcomes.append(error)
    return outcomes


class OneByOne:
    """The handler of a kind that is one function. `buried`: told after a job was given up."""

    limit = 1

    def __init__(
        self, do: Callable[[Job], None], buried: Callable[[Job, str], None] = lambda job, reason: None
    ) -> None:
        self._do = do
        self._buried = buried

    def __call__(self, jobs: list[Job]) -> list[Exception | None]:
        return one_by_one(self._do, jobs)

    def buried(self, job: Job, reason: str) -> None:
        self._buried(job, reason)
