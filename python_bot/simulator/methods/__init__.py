"""The method table of the portal: REST name -> function."""

from __future__ import annotations

from typing import Final

from ..call import Method
from . import (
    catalogue,
    config,
    connector,
    disk,
    general,
    im,
    imbot,
    imbot_v2,
    sessions,
)

METHODS: Final[dict[str, Method]] = {
    **general.METHODS,
    **imbot.METHODS,
    **imbot_v2.METHODS,
    **config.METHODS,
    **sessions.METHODS,
    **im.METHODS,
    **disk.METHODS,
    **connector.METHODS,
    **catalogue.METHODS,
}
catalogue.KNOWN.update(METHODS)
