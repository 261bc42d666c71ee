"""What verbs of one instance share: its layout, its settings, its home, its archive."""

from __future__ import annotations

import os
from pathlib import Path

from ..db import Frozen, Storage
from ..errors import B24BotError
from ..migrations import STEPS
from ..provisioning import inventory, nginx
from ..provisioning.paths import Layout
from ..provisioning.spec import InstanceSpec
from ..settings import Settings


def environment(instance: str) -> dict[str, str]:
    """The instance's settings as environment variables. Raises NoSuchInstance."""
    return inventory.environment(inventory.layout(), instance)


def home(instance: str) -> Path:
    """Where its data lies, below the staging root if there is one. Raises NoSuchInstance, SettingsError."""
    layout, env = inventory.layout(), environment(instance)
    return layout.home(instance) if layout.spec_file(instance).exists() else Settings.from_env(env).home


def open_storage(instance: str, place: Path | None = None) -> Storage:
    """The archive of an instance, whether it runs or not. Close it after use.

    `place`: its home, for whoever acts as the owner of that already and can read no settings any more.

    Raises B24BotError when another release wrote it: opening would migrate it under the running instance.
    """
    path = (place or home(instance)) / "dialogs.db"
    if path.exists():
        archive = Frozen(path)
        try:
            schema = archive.schema()
        finally:
            archive.close()
        if schema not in (0, len(STEPS)):
            raise B24BotError(
                f"the archive of {instance} has schema {schema}, this botctl knows {len(STEPS)}",
                next_step=f"botctl {instance} upgrade, or use the botctl of the instance's own release",
            )
    storage = Storage(path)
    storage.open()
    return storage


def need_root(layout: Layout) -> None:
    """Raises B24BotError when the server is to be changed by somebody who cannot."""
    if not layout.is_staging and os.geteuid() != 0:
        raise B24BotError("this changes the server", next_step="run it with sudo")


def check_name(layout: Layout, spec: InstanceSpec) -> None:
    """Nobody else is served where this instance wants to be. Raises B24BotError; nothing is changed."""
    for other in inventory.others(layout, spec.name):
        if other.domain == spec.domain and (other.single or spec.single):
            raise B24BotError(
                f"{other.name} is served on {spec.unicode_domain} already, and one of the two wants its root",
                next_step="give another domain with --domain",
            )
    foreign = nginx.other_owner_of(layout, spec.domain)
    if foreign is not None:
        raise B24BotError(
            f"{spec.unicode_domain} is served by another file already: {foreign}",
            next_step="remove the name there, or give another domain with --domain; nothing was changed",
        )
