"""How what is simulated begins and ends."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from types import TracebackType
from typing import Self


class Service(ABC):
    """A simulated server: between start() and close(), or inside of `with`, it listens on loopback ports."""

    def start(self) -> Self:
        self._open()
        return self

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @abstractmethod
    def close(self) -> None:
        """Let nothing that waits hold the end up. Also called when nothing was started."""

    @abstractmethod
    def _open(self) -> None: ...


class Courier(ABC):
    """A thread that brings what is due. `_run` looks at `_closed` with `_changed` held, and is woken by it."""

    def __init__(self, name: str) -> None:
        self._changed = threading.Condition()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        if self._thread.ident is not None:
            self._thread.join()

    @abstractmethod
    def _run(self) -> None: ...
