"""Words that are commands, whose choice of lines holds, and what the bot says."""

from __future__ import annotations

import pytest

from python_bot.bitrix.commands import command_of
from python_bot.model import BotCommand, Lines
from python_bot.staff import texts
from python_bot.staff.choice import Choice, lines_in_force, lines_text, read_lines
from python_bot.staff.state import LineState, Problem, State


@pytest.mark.parametrize("text", ["ping", " PING ", "/ping", "ping!", "Пинг"])
def test_a_command_is_one_word_however_it_is_written(text: str) -> None:
    assert command_of(text) == "ping"


@pytest.mark.parametrize("text", ["", "/", "ping me", "pong", "pingping", "!ping", "pi ng", "0"])
def test_everything_else_is_none(text: str) -> None:
    assert command_of(text) is None


@pytest.mark.parametrize("lines", [Lines(), Lines(all=True), Lines(ids=(3,)), Lines(ids=(3, 7))])
def test_lines_survive_being_written_down(lines: Lines) -> None:
    assert read_lines(lines_text(lines)) == lines


def test_who_spoke_last_decides_on_the_lines() -> None:
    chosen = Choice(1, "3", over="all")
    assert lines_in_force(None, Lines(all=True)) == Lines(all=True)
    assert lines_in_force(chosen, Lines(all=True)) == Lines(ids=(3,))
    assert lines_in_force(chosen, Lines(ids=(9,))) == Lines(ids=(9,))


def state(*problems: Problem, name: str = "Продажи") -> State:
    lines = (LineState(3, name, "attached"),)
    return State(1000, 597, "Бот", lines, 1234, 3, 1200, 56789, 880, 1000, 0, problems, ())


@pytest.mark.parametrize(("language", "good", "bad"), [("ru", "✅ Работаю", "⚠️ "), ("en", "✅ At work", "⚠️ ")])
def test_ping_is_one_line_and_says_what_is_wrong_first(language: texts.Language, good: str, bad: str) -> None:
    line = texts.answer("ping", state(), language)
    assert line.startswith(good) and "\n" not in line and "1 234" in line and "56 789" in line and "2 " in line
    line = texts.answer("ping", state(Problem("buried", "4"), Problem("late", "9")), language)
    assert line.startswith(bad) and "\n" not in line and ": 4" in line


@pytest.mark.parametrize("language", ["ru", "en"])
def test_names_become_no_bb_code(language: texts.Language) -> None:
    hostile = "[URL=http://evil.example]x[/URL]"
    commands: tuple[BotCommand, ...] = ("ping", "status")
    for command in commands:
        said = texts.answer(command, state(Problem("line", hostile), name=hostile), language)
        assert "[URL" not in said


def test_every_trouble_has_words_in_both_languages() -> None:
    assert texts.TROUBLES["ru"].keys() == texts.TROUBLES["en"].keys()


@pytest.mark.parametrize(("code", "language"), [("", "ru"), ("ru", "ru"), ("UA", "ru"), ("en", "en"), ("de", "en")])
def test_the_portals_language_is_understood(code: str, language: str) -> None:
    assert texts.language_of(code) == language
