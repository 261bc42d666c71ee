"""A length of time as people type it: 90d, 24h, 30m, 45s."""

from __future__ import annotations

import re
from typing import Final

import click

_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_TEXT: Final = re.compile(r"([0-9]{1,6})([smhdw])")


class Duration(click.ParamType[float]):
    """-> seconds"""

    name = "duration"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        if isinstance(value, float):
            return value
        found = _TEXT.fullmatch(str(value))
        if found is None or int(found[1]) == 0:
            self.fail(f"{value!r} is no length of time; write it like 90d, 24h or 30m", param, ctx)
        return float(int(found[1]) * _UNITS[found[2]])


DURATION: Final = Duration()
