"""What verbs of one instance share: its layout, its settings, its home, its archive."""

from __future__ import annotations

import os
from pathlib import Path

from ..db import Storage
from ..errors import B24BotError
from ..provisioning import inventory
from ..provisioning.paths import Layout
from ..settings import Settings


def environment(instance: str) -> dict[str, str]:
    """The instance's settings as environment variables. Raises NoSuchInstance."""
    return inventory.environment(inventory.layout(), instance)


def home(instance: str) -> Path:
    """Where its data lies, below the staging root if there is one. Raises NoSuchInstance, SettingsError."""
    layout, env = inventory.layout(), environment(instance)
    return layout.home(instance) if layout.spec_file(instance).exists() else Settings.from_env(env).home


def open_storage(instance: str) -> Storage:
    """The archive of an instance, whether it runs or not. Close it after use."""
    storage = Storage(home(instance) / "dialogs.db")
    storage.open()
    return storage


def need_root(layout: Layout) -> None:
    """Raises B24BotError when the server is to be changed by somebody who cannot."""
    if not layout.is_staging and os.geteuid() != 0:
        raise B24BotError("this changes the server", next_step="run it with sudo")
