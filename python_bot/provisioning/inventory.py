"""The instances of this server, read from what was written for them."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from ..errors import B24BotError
from .envfile import read_env_file
from .paths import Layout
from .spec import InstanceSpec, read_spec


class NoSuchInstance(B24BotError):
    pass


def layout() -> Layout:
    """'/' or, for tests, dry runs and image builds, the directory in B24BOT_ROOT."""
    return Layout(Path(os.environ.get("B24BOT_ROOT") or "/"))


def environment(where: Layout, instance: str) -> dict[str, str]:
    """The instance's settings as environment variables. Raises NoSuchInstance, B24BotError."""
    path = where.env_file(instance)
    try:
        return {"B24BOT_INSTANCE": instance, **read_env_file(path)}
    except FileNotFoundError:
        raise NoSuchInstance(
            f"there is no instance {instance!r} on this server ({path} is missing)",
            next_step=f"botctl list shows the instances; botctl {instance} create makes one",
        ) from None
    except PermissionError:
        raise B24BotError(f"{path} cannot be read", next_step="run botctl as root (sudo)") from None


def spec(where: Layout, instance: str) -> InstanceSpec:
    """What the instance was asked to be. Raises NoSuchInstance, B24BotError."""
    env = environment(where, instance)
    try:
        return read_spec(where.spec_file(instance), env)
    except FileNotFoundError:
        raise NoSuchInstance(
            f"{instance!r} has settings but was not made by botctl create",
            next_step=f"botctl {instance} run runs it; botctl {instance} create takes it over",
        ) from None


def names(where: Layout) -> list[str]:
    with suppress(OSError):
        return sorted(path.stem for path in (where.etc / "instances").glob("*.json"))
    return []


def others(where: Layout, instance: str) -> list[InstanceSpec]:
    return [spec(where, name) for name in names(where) if name != instance]
