"""Questions that are asked at the same time, none of them longer than all of them may take."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from typing import TypeVar

T = TypeVar("T")
log = logging.getLogger(__name__)


def together(questions: Mapping[str, Callable[[], T]], within_s: float) -> dict[str, T]:
    """The answers that came in time, by name. A question that raises or takes longer is missing, and holds nobody."""
    answers: dict[str, T] = {}

    def ask(name: str, question: Callable[[], T]) -> None:
        try:
            answers[name] = question()
        except Exception as error:  # an examination that stumbles is an unknown, not the end of the others
            log.warning("the question %s failed: %s", name, error)

    threads = [
        threading.Thread(target=ask, args=item, name=f"b24bot-doctor-{item[0]}", daemon=True)
        for item in questions.items()
    ]
    end = time.monotonic() + within_s
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.0, end - time.monotonic()))
    return {name: answers[name] for name in questions if name in answers}
