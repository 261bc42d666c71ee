"""Random payloads over the keys that a portal really sends: structure is arbitrary, words are genuine."""

from __future__ import annotations

import re
from typing import Any, Final
from urllib.parse import parse_qsl

from hypothesis import strategies as st

from tests.support.payloads import INDEX, form


def _keys() -> list[str]:
    found: set[str] = set()
    for row in INDEX:
        for key, _ in parse_qsl(form(row["file"]).decode("utf-8", "replace"), keep_blank_values=True):
            found.update(re.findall(r"[^\[\]]+", key))
    return sorted(found)


KEYS: Final = _keys()

texts: Final = st.text(max_size=12) | st.sampled_from(
    [
        "",
        "0",
        "1",
        "Y",
        "N",
        "744",
        "L",
        "LINES",
        "1763",
        "a|3|b|744",
        "Y|LEAD|1|N|N|321|1785311960",
        "9" * 40,
        "-1",
        "2026-07-29T11:00:01+03:00",
        "2026-07-29",
        "0001-01-01T00:00:00+14:00",
        "[url=x]y[/url]",
        "lines",
    ]
)
scalars: Final = texts | st.integers() | st.booleans() | st.none() | st.floats(allow_nan=True)


def _deeper(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.dictionaries(st.sampled_from(KEYS), inner, max_size=6) | st.lists(inner, max_size=3)


trees: Final = st.recursive(scalars, _deeper, max_leaves=24)
maps: Final = st.dictionaries(st.sampled_from(KEYS), trees, max_size=8)
