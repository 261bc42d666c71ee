"""A page that there is in two languages says the same in both: the same sections, tables, commands and names."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import pytest

from tests.support import ROOT

RUSSIAN: Final = sorted(ROOT.glob("docs/*.ru.md"))
FENCED: Final = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)


def english(page: Path) -> Path:
    return page.with_name(page.name.replace(".ru.md", ".md"))


def shape(page: Path) -> list[str]:
    """The order of headings, tables with their rows and columns, lists with numbers, and examples."""
    found = []
    for line in FENCED.sub("```", page.read_text(encoding="utf-8")).splitlines():
        if heading := re.match(r"#+ ", line):
            found.append(heading[0])
        elif line.startswith("|"):
            found.append("|" * re.sub(r"`[^`]*`", "", line).count("|"))
        elif number := re.match(r"\d+\. ", line):
            found.append(number[0])
        elif line == "```":
            found.append(line)
    return found


def examples(page: Path) -> list[str]:
    """What is typed or run, without what a comment says of it."""
    return [
        re.sub(r"\s*(^| )# .*$", "", block, flags=re.MULTILINE) for block in FENCED.findall(page.read_text("utf-8"))
    ]


def names(page: Path) -> set[str]:
    """Commands, fields, settings and the like: what stands in backticks and is no word of a language."""
    found = re.findall(r"`([^`]+)`", FENCED.sub("", page.read_text(encoding="utf-8")))
    return {re.sub(r"\s+", " ", name) for name in found if name.isascii()}


@pytest.mark.parametrize("page", RUSSIAN, ids=lambda page: page.name)
def test_both_pages_name_each_other(page: Path) -> None:
    assert f"]({page.name})" in english(page).read_text(encoding="utf-8")
    assert f"]({english(page).name})" in page.read_text(encoding="utf-8")


@pytest.mark.parametrize("page", RUSSIAN, ids=lambda page: page.name)
def test_both_pages_have_the_same_sections_tables_and_examples(page: Path) -> None:
    assert shape(page) == shape(english(page))
    assert examples(page) == examples(english(page))


@pytest.mark.parametrize("page", RUSSIAN, ids=lambda page: page.name)
def test_both_pages_name_the_same_commands_fields_and_settings(page: Path) -> None:
    assert names(page) == names(english(page))
