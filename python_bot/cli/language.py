"""Russian when the locale is Russian, English otherwise."""

from __future__ import annotations

import os
from typing import Literal

Language = Literal["ru", "en"]


def language() -> Language:
    """By the usual order of variables: LC_ALL, LC_MESSAGES, LANG."""
    value = next((os.environ[name] for name in ("LC_ALL", "LC_MESSAGES", "LANG") if os.environ.get(name)), "")
    return "ru" if value.lower().startswith("ru") else "en"
