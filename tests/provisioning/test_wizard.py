"""`botctl INSTANCE create` on a real terminal, below a staging root: questions, answers, Ctrl-C, both languages."""

from __future__ import annotations

import os
import string
import sys
from pathlib import Path
from typing import Final

import pytest

from python_bot.cli.create_texts import TEXTS
from python_bot.provisioning.envfile import read_env_file
from python_bot.provisioning.paths import Layout
from tests.cli.tools import botctl
from tests.support import ROOT
from tests.support.terminal import Terminal

SECRET: Final = "client-secret-that-nobody-may-see"
SCOPES: Final = ("imbot", "imopenlines", "im", "disk", "user")
QUESTIONS: Final = {
    "en": ("Domain of this server", "Host of the portal", "CLIENT_ID of", "CLIENT_SECRET of", "Make the instance shop"),
    "ru": ("Домен этого сервера", "Адрес портала", "CLIENT_ID локального", "CLIENT_SECRET локального", "Создать"),
}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "etc").mkdir()
    (tmp_path / "var").mkdir()
    return tmp_path


def sit_down(root: Path, language: str, *flags: str) -> Terminal:
    locale = {"en": "C.UTF-8", "ru": "ru_RU.UTF-8"}[language]
    env = {**os.environ, "B24BOT_ROOT": str(root), "LC_ALL": locale, "PYTHONUTF8": "1"}
    return Terminal([sys.executable, "-m", "python_bot.cli", "shop", "create", *flags], cwd=str(ROOT), env=env)


def env_of(root: Path) -> dict[str, str]:
    return read_env_file(Layout(root).env_file("shop"))


def left(root: Path) -> list[str]:
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.name not in ("run", "b24bot.lock"))


@pytest.mark.parametrize("language", ["en", "ru"])
def test_the_questions_are_asked_again_until_the_answer_can_be_right(root: Path, language: str) -> None:
    domain, portal, client_id, client_secret, sure = QUESTIONS[language]
    mixed, example = {
        "en": ("mixes alphabets", "is no host; an example: acme"),
        "ru": ("смешаны алфавиты", "не адрес портала; пример: acme"),
    }[language]
    with sit_down(root, language) as screen:
        screen.expect(domain)
        screen.type("")
        screen.expect(domain)
        screen.type("приmер.рф")
        screen.expect(mixed)
        screen.expect(domain)
        screen.type("https://Пример.РФ/путь")
        screen.expect(portal)
        screen.type("acme bitrix24")
        screen.expect(example)
        screen.expect(portal)
        screen.type("acme.bitrix24.ru")
        screen.expect(client_id)
        screen.type("local.66aa11bb")
        screen.expect(client_secret)
        screen.type(SECRET)
        screen.expect("xn--e1afmkfd.xn--p1ai")
        screen.expect(sure)
        screen.type("maybe")
        screen.expect(sure)
        screen.type("да" if language == "ru" else "y")
        assert screen.finish() == 0, screen.seen
    assert SECRET not in screen.seen
    env = env_of(root)
    assert env["B24BOT_PUBLIC_URL"] == "http://xn--e1afmkfd.xn--p1ai/shop/python_bot/"
    assert env["B24BOT_PORTAL"] == "acme.bitrix24.ru"
    assert (env["CLIENT_ID"], env["CLIENT_SECRET"]) == ("local.66aa11bb", SECRET)


def test_enter_leaves_out_what_can_come_later_and_nothing_is_asked_that_a_flag_has_answered(root: Path) -> None:
    with sit_down(root, "en", "--portal", "acme.bitrix24.ru") as screen:
        screen.expect("Domain of this server")
        screen.type("bots.example.ru")
        screen.expect("CLIENT_ID of")
        screen.type("")
        screen.expect("Make the instance shop")
        screen.type("")
        assert screen.finish() == 0, screen.seen
    assert "Host of the portal" not in screen.seen and "CLIENT_SECRET of" not in screen.seen
    assert "CLIENT_ID" not in env_of(root)


def test_a_name_at_duckdns_needs_one_more_answer_which_is_not_shown(root: Path) -> None:
    with sit_down(root, "ru") as screen:
        screen.expect("Домен этого сервера")
        screen.type("mybots.duckdns.org")
        screen.expect("Токен DuckDNS")
        screen.type(SECRET)
        screen.expect("Адрес портала")
        screen.type("")
        screen.expect("CLIENT_ID")
        screen.type("")
        screen.expect("Создать")
        screen.type("")
        assert screen.finish() == 0, screen.seen
    assert SECRET not in screen.seen
    assert Layout(root).duckdns_token("mybots").read_text() == f"{SECRET}\n"


@pytest.mark.parametrize("question", range(5))
def test_ctrl_c_at_any_question_leaves_nothing(root: Path, question: int) -> None:
    before = left(root)
    answers = ("bots.example.ru", "acme.bitrix24.ru", "local.66aa11bb", SECRET)
    with sit_down(root, "en") as screen:
        for text, answer in zip(QUESTIONS["en"], answers[:question], strict=False):
            screen.expect(text)
            screen.type(answer)
        screen.expect(QUESTIONS["en"][question])
        assert screen.interrupt() == 130, screen.seen
    assert "Traceback" not in screen.seen
    assert left(root) == before


def test_no_is_no(root: Path) -> None:
    before = left(root)
    with sit_down(root, "ru", "--domain", "bots.example.ru") as screen:
        screen.expect("Создать")
        screen.type("нет")
        assert screen.finish() == 130
    assert left(root) == before


@pytest.mark.parametrize("language", ["en", "ru"])
def test_the_closing_text_names_the_url_every_scope_with_its_reason_and_the_next_step(
    root: Path, language: str
) -> None:
    with sit_down(root, language, "--domain", "bots.example.ru", "--yes") as screen:
        assert screen.finish() == 0
    url = "http://bots.example.ru/shop/python_bot/"
    lines = [line.strip() for line in screen.seen.splitlines()]
    assert url in lines
    texts = TEXTS["ru" if language == "ru" else "en"]
    for scope in SCOPES:
        assert any(line.split(None, 1) == [scope, texts[f"scope_{scope}"]] for line in lines), scope
    assert len({texts[f"scope_{scope}"] for scope in SCOPES}) == 5
    assert {"en": "Next step: ", "ru": "Дальше: "}[language] in screen.seen
    for word in ("auth.json", "botctl shop status", "botctl shop token show", "CLIENT_SECRET"):
        assert word in screen.seen


def test_both_languages_say_the_same_things_with_the_same_blanks() -> None:
    def blanks(texts: dict[str, str]) -> dict[str, set[str | None]]:
        return {key: {name for _, name, _, _ in string.Formatter().parse(text)} for key, text in texts.items()}

    assert blanks(TEXTS["en"]) == blanks(TEXTS["ru"])
    assert not any(any("а" <= char <= "я" for char in text.lower()) for text in TEXTS["en"].values())


def test_without_a_terminal_nothing_is_asked(root: Path) -> None:
    done = botctl(root, "shop", "create")
    assert done.returncode == 2 and "--domain is missing" in done.stderr
