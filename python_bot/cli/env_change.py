"""A change of an instance's settings: checked as a whole, written atomically, and taken back when it does not work."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Final

from ..errors import B24BotError, SettingsError
from ..provisioning import inventory, rendering
from ..provisioning.machine import Machine
from ..provisioning.paths import Layout
from ..provisioning.ports import read_ports
from ..provisioning.spec import InstanceSpec
from ..provisioning.steps import DaemonReload, File, Process, Step, UnitState
from ..settings import Settings
from .operate import change

SECRET_WORDS: Final = ("TOKEN", "SECRET", "PASSWORD")
Env = dict[str, str]


def is_secret(name: str) -> bool:
    return any(word in name for word in SECRET_WORDS)


def change_settings(instance: str, title: str, edit: Callable[[Env], Env], *, restart: bool) -> bool:
    """`edit` turns the present settings into the wanted ones, under the machine's lock; False: nothing was different.

    With `restart` the instance must come up with them, or the former ones are put back. Raises B24BotError.
    """
    layout = inventory.layout()
    begun: list[InstanceSpec] = []

    def steps(spec: InstanceSpec) -> list[Step]:
        wanted = replace(spec, env=edit(dict(spec.env)))
        check(wanted.env)
        begun.append(spec)
        return _steps(layout, wanted, restart=restart and spec.enabled)

    try:
        return bool(change(layout, instance, title, steps, verify=restart and inventory.spec(layout, instance).enabled))
    except BaseException:
        if begun and begun[0].enabled and restart:
            with suppress(B24BotError):
                Machine(layout).restart(instance)  # with the settings that were put back
        raise


def _steps(layout: Layout, spec: InstanceSpec, *, restart: bool) -> list[Step]:
    """Of `create`'s plan what depends on settings: the env file, and the unit that lets a private portal through."""
    files = {layout.env_file(spec.name), layout.units / layout.service(spec.name)}
    return [
        step
        for step in rendering.create(layout, spec, read_ports(layout.ports_map), nginx_wanted=False)
        if (isinstance(step, File) and step.path in files)
        or isinstance(step, DaemonReload)
        or (restart and isinstance(step, UnitState | Process))
    ]


def check(env: Mapping[str, str]) -> None:
    """Everything that `Settings` checks, and that the file can hold the values. Raises SettingsError."""
    problems = [f"{name}: {why}" for name, value in env.items() if (why := _unwritable(value))]
    try:
        Settings.from_env({**env, "B24BOT_HOME": "/"})
    except SettingsError as error:
        problems += error.problems
    if problems:
        raise _Refused(problems)


class _Refused(SettingsError):
    def __init__(self, problems: list[str]) -> None:
        super().__init__(problems)
        self.next_step = "give another value; nothing was changed"


def _unwritable(value: str) -> str:
    """Why systemd and we would not read the same value back; '' when both do."""
    if any(not char.isprintable() for char in value):
        return "holds a line break or another character that cannot be seen"
    if "\\" in value or value[:1] in ("'", '"'):
        return "a backslash, or a quote at the beginning, would be read differently by systemd"
    return "" if value == value.strip() else "begins or ends with a space"
