"""Which channels there are. None is imported before an account of it exists: an instance without one stays small.

`python_bot/channels/<name>/channel.py` has `create(setup: Setup) -> Channel`. Channels from elsewhere are named in
the settings (`mail=acme_mail.channel`): a module that can be imported, with the same function.
"""

from __future__ import annotations

import importlib
import threading
from collections.abc import Callable, Mapping
from typing import Any, Final

from ..errors import SettingsError
from .base import Call, Channel, Setup

BUILT_IN: Final = {"telegram": "python_bot.channels.telegram.channel", "avito": "python_bot.channels.avito.channel"}


class Registry:
    """`more`: name -> module of further channels; `api_urls`: name -> address of the messenger instead of its own.

    `observe`: told of every request to a messenger.
    """

    def __init__(
        self,
        instance: str,
        public_url: str,
        more: Mapping[str, str],
        api_urls: Mapping[str, str] | None = None,
        observe: Callable[[Call], None] = lambda call: None,
    ) -> None:
        self.more = tuple(more)
        self.modules = {**BUILT_IN, **more}
        self._api_urls = api_urls or {}
        self._observe = observe
        self._instance = instance
        self._public_url = public_url
        self._loaded: dict[str, Channel] = {}
        self._lock = threading.Lock()

    def load(self, name: str) -> Channel:
        """The one channel of this name. Raises SettingsError when there is none."""
        with self._lock:
            if name not in self._loaded:
                self._loaded[name] = self._create(name)
            return self._loaded[name]

    def needs(self, name: str) -> tuple[str, ...]:
        """Which secrets an account of a channel from elsewhere is opened with. Raises SettingsError."""
        found: tuple[str, ...] = self._of_module(name, "SECRETS")
        return found

    def _create(self, name: str) -> Channel:
        create: Callable[[Setup], Channel] = self._of_module(name, "create")
        return create(Setup(self._instance, self._public_url, self._api_urls.get(name, ""), self._observe))

    def _of_module(self, name: str, member: str) -> Any:
        if name not in self.modules:
            raise SettingsError([f"there is no channel {name!r}: B24BOT_CHANNELS names further ones"])
        try:
            return getattr(importlib.import_module(self.modules[name]), member)
        except (ImportError, AttributeError) as error:
            raise SettingsError([f"the channel {name!r} cannot be loaded: {error}"]) from None
