from __future__ import annotations

import json
import logging
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from python_bot.logs import close_log, open_log

TOKEN = "api-secret-token-0123456789"
log = logging.getLogger("python_bot.test")


@pytest.fixture
def path(tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "bot.log"
    handler = open_log(path, "INFO", "acme", [TOKEN, "", "client+secret/=="])
    yield path
    close_log(handler)


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def last(path: Path) -> dict[str, Any]:
    return lines(path)[-1]


def test_a_line_is_one_json_object_with_its_trace(path: Path) -> None:
    log.info("событие %s\nвторая строка", "x", extra={"trace_id": "t1", "chat_id": 5, "unknown": 1, "ms": ""})
    (line,) = lines(path)
    assert line.pop("time").endswith("Z")
    assert line == {
        "level": "INFO",
        "instance": "acme",
        "logger": "test",
        "message": "событие x\nвторая строка",
        "trace_id": "t1",
        "chat_id": 5,
    }


def test_the_log_belongs_to_its_owner_alone(path: Path) -> None:
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_log_that_was_rotated_away_goes_on_in_a_new_file(path: Path) -> None:
    log.info("one")
    path.rename(path.with_name("bot.log.1"))
    log.info("two")
    assert [line["message"] for line in lines(path)] == ["two"]


def test_lesser_levels_are_left_out(path: Path) -> None:
    log.debug("quiet")
    assert lines(path) == []


def test_an_exception_is_one_line_with_its_trace_and_without_secrets(path: Path) -> None:
    try:
        raise ValueError(f"url had auth={'a' * 30} and {TOKEN}")
    except ValueError:
        log.exception("failed")
    line = last(path)
    assert "ValueError" in line["exception"] and "Traceback" in line["exception"]
    assert TOKEN not in path.read_text() and "a" * 30 not in path.read_text()


@pytest.mark.parametrize(
    "text",
    [
        "auth[access_token]=SECRET",
        "auth%5Brefresh_token%5D=SECRET&x=1",
        "data[BOT][597][application_token]=SECRET",
        '{"access_token": "SECRET", "x": 1}',
        "{'client_secret': 'SECRET'}",
        "AUTH_ID=SECRET&REFRESH_ID=SECRET",
        "https://acme.bitrix24.ru/rest/download.json?auth=SECRET&token=SECRET",
        "GET /api/dialogs?token=SECRET HTTP/1.1",
        "Authorization: Bearer SECRET",
        "X-API-Token: SECRET",
        "/oauth/token/?grant_type=refresh_token&client_secret=SECRET&refresh_token=SECRET",
        "/python_bot/?code=SECRET&state=x",
        "/b24/handler?secret=SECRET",
    ],
)
def test_a_secret_that_slips_into_a_message_is_masked(path: Path, text: str) -> None:
    secret = "9f8e7d6c5b4a39281706f5e4d3c2b1a0"
    log.info("%s", text.replace("SECRET", secret))
    assert secret not in path.read_text()


def test_secrets_of_the_settings_are_masked_wherever_they_stand(path: Path) -> None:
    log.info("x%sy client+secret/==", TOKEN)
    assert last(path)["message"] == "x***y ***"


def test_a_secret_in_an_extra_is_masked_too(path: Path) -> None:
    log.info("x", extra={"event": TOKEN})
    assert TOKEN not in path.read_text()


@pytest.mark.parametrize(
    "text",
    [
        "the authorization server refused the code: invalid_grant",
        "an event with a foreign application_token was ignored",
        "the delivered token belongs to another application of the portal",
        "imopenlines.bot.session.operator: WRONG_CHAT: Operator is not a bot",
        "the access token expired and cannot be refreshed without CLIENT_ID and CLIENT_SECRET",
    ],
)
def test_our_own_sentences_are_left_readable(path: Path, text: str) -> None:
    log.info("%s", text)
    assert last(path)["message"] == text


def test_text_that_no_file_can_hold_does_not_lose_the_line(path: Path) -> None:
    log.info("half an emoji: %s", "\ud83d")
    log.info("next")
    assert [line["message"][:4] for line in lines(path)] == ["half", "next"]
