from __future__ import annotations

import json

import click
import pytest
from click.testing import CliRunner

from python_bot.cli.output import echo_facts, echo_json


def test_facts_are_aligned_and_lists_and_sections_are_unfolded(capsys: pytest.CaptureFixture[str]) -> None:
    echo_facts({"url": "http://x/", "problem": ["one", "two"], "nobody": [], "former": None, "bytes": {"db": 1}}, "  ")
    assert capsys.readouterr().out.splitlines() == [
        "  url      http://x/",
        "  problem  one",
        "  problem  two",
        "  former   -",
        "  bytes:",
        "    db  1",
    ]


def test_json_keeps_the_letters_people_use(capsys: pytest.CaptureFixture[str]) -> None:
    echo_json({"line": "Продажи"})
    out = capsys.readouterr().out
    assert "Продажи" in out
    assert json.loads(out) == {"line": "Продажи"}


def test_colours_stay_on_the_terminal() -> None:
    @click.command()
    def verb() -> None:
        echo_facts({"problem": click.style("no line", fg="yellow")})

    assert CliRunner().invoke(verb).output == "problem  no line\n"
