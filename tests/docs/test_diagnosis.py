"""docs/diagnosis.md, the doctor's texts, and the tests that make the faults tell the same."""

from __future__ import annotations

import re
from pathlib import Path
from string import Formatter
from typing import Final

import pytest

from python_bot.doctor.findings import CAUSES, Finding, green, red, yellow
from python_bot.doctor.report import ranked, report
from python_bot.doctor.texts import TEXTS, words
from tests.cli.faults import FAULTS as OF_AN_INSTANCE
from tests.cli.test_doctor_channels import FAULTS as OF_AN_ACCOUNT
from tests.e2e.test_doctor import FAULTS as OF_A_MACHINE

ROOT: Final = Path(__file__).parents[2]
PAGES: Final = {"en": "docs/diagnosis.md", "ru": "docs/diagnosis.ru.md"}
DIAGNOSIS: Final = (ROOT / PAGES["en"]).read_text(encoding="utf-8")
SOURCES: Final = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "python_bot/doctor").glob("*.py"))


def rows(language: str) -> dict[str, str]:
    """Code -> meaning, of the table of faults."""
    text = (ROOT / PAGES[language]).read_text(encoding="utf-8")
    return dict(re.findall(r"^\| [^|]+ \| `(\w+)` \| [A-HM] \| (.+) \|$", text, re.MULTILINE))


@pytest.mark.parametrize("language", PAGES)
def test_every_fault_of_the_table_is_made_by_a_test_and_every_one_that_is_made_is_in_the_table(language: str) -> None:
    assert rows(language).keys() == OF_AN_INSTANCE.keys() | OF_AN_ACCOUNT.keys() | OF_A_MACHINE.keys()


@pytest.mark.parametrize(("language", "url"), [("en", "the URL"), ("ru", "URL")])
def test_the_table_says_what_the_doctor_says(language: str, url: str) -> None:
    said = {code: parts[1] for code, parts in TEXTS["ru" if language == "ru" else "en"].items()}
    assert rows(language) == {code: re.sub(r"\{(path|url)\}", url, said[code]) for code in rows(language)}


def test_every_code_has_words_in_both_languages_about_the_same_facts() -> None:
    assert TEXTS["en"].keys() == TEXTS["ru"].keys() >= CAUSES.keys()
    for code, parts in TEXTS["en"].items():
        assert len(parts) == len(TEXTS["ru"][code]) == 3
        assert _names(parts) == _names(TEXTS["ru"][code]), code
        assert bool(parts[2]) == bool(TEXTS["ru"][code][2]), code


def test_every_code_that_has_words_is_found_by_a_check_and_documented_when_it_is_bad() -> None:
    bad = set(re.findall(r'(?:red|yellow|level)\(\s*"[A-HM]",\s*"(\w+)"', SOURCES))
    bad |= {"settings_wrong", "silent_url_check", "silent_subscription", "silent_network"}
    good = set(re.findall(r'green\(\s*"[A-HM]",\s*"(\w+)"', SOURCES))
    assert bad | good == TEXTS["en"].keys()
    assert (
        bad == set(re.findall(r"`([a-z]+_[a-z_]+|interrupted|uninstalled|disabled|permissions)`", DIAGNOSIS)) - NO_CODES
    )


NO_CODES: Final = {"next_step", "root_cause", "quick_check"}


@pytest.mark.parametrize("language", ["en", "ru"])
def test_a_finding_in_words_names_its_instance(language: str) -> None:
    said = words(red("A", "port_dead", "units", port=1, problem="x"), "ru" if language == "ru" else "en", "shop-1")
    assert "botctl shop-1 on" in said.next_step and "INSTANCE" not in "".join(said)


def codes(findings: list[Finding]) -> list[tuple[str, str]]:
    return [(finding.code, finding.because) for finding in findings]


def test_a_cause_silences_its_consequences_and_comes_first() -> None:
    found = ranked(
        [red("G", "silent_network"), red("A", "nginx_astray"), red("A", "nginx_down"), green("M", "disk_ok")]
    )
    assert codes(found) == [
        ("nginx_down", ""),
        ("disk_ok", ""),
        ("nginx_astray", "nginx_down"),
        ("silent_network", "nginx_down"),
    ]


def test_a_consequence_alone_is_a_finding_of_its_own() -> None:
    assert codes(ranked([red("G", "silent_network"), yellow("M", "disabled")])) == [
        ("silent_network", ""),
        ("disabled", ""),
    ]


def test_the_level_of_a_report_is_that_of_its_worst_finding() -> None:
    assert [report("x", found, 0).level for found in ([], [green("M", "disk_ok")], [yellow("M", "disabled")])] == [
        "green",
        "green",
        "yellow",
    ]


def _names(parts: tuple[str, str, str]) -> set[str]:
    return {name for part in parts for _, name, _, _ in Formatter().parse(part) if name}
