from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from python_bot.errors import SettingsError
from python_bot.model import Handover, Lines
from python_bot.settings import VARIABLES, Settings

ROOT = Path(__file__).parents[2]
_SIZES = ("FILE_MAX_MB", "FILES_MAX_GB", "DISK_RESERVE_MB")
SECRET = "api-secret-token-0123456789"


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    return {
        "B24BOT_HOME": str(tmp_path),
        "API_SECRET_TOKEN": SECRET,
        "B24BOT_PUBLIC_URL": "https://bots.example.ru/acme/python_bot/",
    }


def problems(env: Mapping[str, str]) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        Settings.from_env(env)
    return caught.value.problems


def test_the_least_environment_is_enough(env: dict[str, str], tmp_path: Path) -> None:
    found = Settings.from_env(env)
    assert (found.home, found.instance, found.bot_name) == (tmp_path, "default", "Python Interceptor Bot")
    assert (found.lines, found.handover, found.event_mode) == (Lines(all=True), Handover("operator"), "webhook")
    assert (found.public_read, found.prefix, found.bot_code) == (False, "/acme", "b24bot_default")


def test_every_value_is_taken(env: dict[str, str]) -> None:
    found = Settings.from_env(
        env
        | {
            "CLIENT_ID": " local.1 ",
            "CLIENT_SECRET": "s",
            "B24BOT_INSTANCE": "foo-1",
            "B24BOT_PORTAL": "Acme.bitrix24.ru/",
            "B24BOT_OAUTH_URL": "http://127.0.0.1:9001/",
            "B24BOT_BOT_NAME": "Архивариус",
            "B24BOT_LINES": "3, 7 3",
            "B24BOT_HANDOVER": "Queue:5",
            "B24BOT_EVENT_MODE": "FETCH",
            "B24BOT_FILES": "Download",
            "B24BOT_FILE_MAX_MB": "0",
            "B24BOT_FILES_MAX_GB": "50",
            "B24BOT_DISK_RESERVE_MB": "64",
            "B24BOT_FILE_HOSTS": "s3.Acme.ru, http://10.0.0.7:9000/ ",
            "B24BOT_WEBHOOK_HOSTS": "CRM.local, http://10.0.0.7:9000/ [::1]:9",
            "B24BOT_LOG_LEVEL": "debug",
            "API_PUBLIC_READ": "yes",
            "UNKNOWN": "x",
        }
    )
    assert (found.client_id, found.client_secret, found.instance) == ("local.1", "s", "foo-1")
    assert (found.portal, found.oauth_url) == ("https://acme.bitrix24.ru", "http://127.0.0.1:9001")
    assert (found.bot_name, found.lines, found.handover) == ("Архивариус", Lines(ids=(3, 7)), Handover("queue", 5))
    assert (found.event_mode, found.log_level, found.public_read) == ("fetch", "DEBUG", True)
    assert (found.files, found.file_max_mb, found.files_max_gb, found.disk_reserve_mb) == ("download", 0, 50, 64)
    assert found.file_hosts == ("https://s3.acme.ru", "http://10.0.0.7:9000")
    assert found.webhook_hosts == ("crm.local", "10.0.0.7:9000", "[::1]:9")


def test_a_server_without_an_address_may_fetch(env: dict[str, str]) -> None:
    del env["B24BOT_PUBLIC_URL"]
    assert problems(env)[0].startswith("B24BOT_PUBLIC_URL")
    assert Settings.from_env(env | {"B24BOT_EVENT_MODE": "fetch"}).public_url == ""


def test_every_bad_value_is_reported_at_once_by_name(tmp_path: Path) -> None:
    bad = {
        "B24BOT_HOME": "relative/path",
        "API_SECRET_TOKEN": "  ",
        "B24BOT_EVENT_MODE": "push",
        "B24BOT_PUBLIC_URL": "ftp://x",
        "B24BOT_INSTANCE": "-foo",
        "B24BOT_PORTAL": "http://",
        "B24BOT_OAUTH_URL": "oauth",
        "B24BOT_LINES": "3,x",
        "B24BOT_HANDOVER": "user:",
        "B24BOT_LOG_LEVEL": "LOUD",
        "API_PUBLIC_READ": "perhaps",
    }
    found = problems(bad)
    assert {problem.partition(":")[0] for problem in found} == set(bad)
    assert len(found) == len(bad)


def test_an_empty_environment_names_what_is_missing() -> None:
    assert [problem.partition(":")[0] for problem in problems({})] == [
        "B24BOT_HOME",
        "API_SECRET_TOKEN",
        "B24BOT_PUBLIC_URL",
    ]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("B24BOT_HOME", "/nowhere/at/all"),
        ("API_SECRET_TOKEN", "                 "),
        *(("B24BOT_INSTANCE", value) for value in ("Foo", "foo_1", "a" * 25, "foo-", "foo/../bar", "фу")),
        *(("B24BOT_PUBLIC_URL", value) for value in ("https://x.ru/python_bot", "https://x.ru/")),
        *(("B24BOT_PUBLIC_URL", value) for value in ("https:///python_bot/", "https://[/python_bot/", "x/python_bot/")),
        ("B24BOT_PUBLIC_URL", "https://x.ru:99999/python_bot/"),
        *(
            ("B24BOT_PORTAL", value)
            for value in ("ftp://acme.ru", "acme.ru/rest", "https://", "acme.ru:port", "a.ru?b")
        ),
        *(("B24BOT_PORTAL", value) for value in ("https://[acme", "[", "[::1")),
        *(("B24BOT_PORTAL", value) for value in ("a.bitrix24.ru, b.bitrix24.ru", "a b", "https://user:pw@acme.ru")),
        *(("B24BOT_OAUTH_URL", value) for value in ("oauth.bitrix.info", "https://[", "javascript:1")),
        *(("B24BOT_LINES", value) for value in ("0", "-1", "3;4", "все", "1" * 30, ",")),
        *(("B24BOT_HANDOVER", value) for value in ("user", "user:0", "queue:x", "user:1:2", "bot")),
        ("B24BOT_EVENT_MODE", "offline"),
        ("B24BOT_FILES", "all"),
        *((f"B24BOT_{name}", value) for name in _SIZES for value in ("-1", "1.5", "10M", "٣", "1" * 9)),
        *(("B24BOT_WEBHOOK_HOSTS", value) for value in ("ftp://crm", "crm.local/path", "10.0.0.0/8")),
        *(("B24BOT_FILE_HOSTS", value) for value in ("ftp://s3", "good.ru bad.ru/path", "https://u:p@s3.ru", "[")),
        ("API_PUBLIC_READ", "2"),
    ],
)
def test_a_bad_value_is_refused_by_name(env: dict[str, str], name: str, value: str) -> None:
    found = problems(env | {name: value})
    assert [problem.partition(":")[0] for problem in found] == [name]


@given(st.sampled_from(sorted(VARIABLES)), st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=12))
def test_whatever_a_variable_holds_is_taken_or_reported(name: str, value: str) -> None:
    env = {"B24BOT_HOME": "/", "API_SECRET_TOKEN": SECRET, "B24BOT_PUBLIC_URL": "https://x.ru/python_bot/"}
    for text in (value, f"https://{value}", f"[{value}", f"http://{value}:80"):
        try:
            Settings.from_env(env | {name: text})
        except SettingsError as error:
            assert [problem.partition(":")[0] for problem in error.problems] == [name]


def test_a_secret_is_in_no_message() -> None:
    bad = {
        "API_SECRET_TOKEN": "s3cr3t",
        "B24BOT_HANDOVER": "x",
        "CLIENT_SECRET": "cl13nt",
        "B24BOT_HOME": "x",
        "B24BOT_LINES": "x",
    }
    text = "\n".join(problems(bad))
    assert "s3cr3t" not in text and "cl13nt" not in text


def test_what_is_allowed_but_hardly_meant_is_said_without_the_secret(env: dict[str, str]) -> None:
    doubtful = Settings.from_env(env | {"API_SECRET_TOKEN": "s3cr3t", "B24BOT_PUBLIC_URL": "https://box/python_bot/"})
    text = "\n".join(doubtful.doubts())
    for name in ("API_SECRET_TOKEN", "B24BOT_PUBLIC_URL", "B24BOT_PORTAL", "CLIENT_ID", "CLIENT_SECRET"):
        assert name in text
    assert "s3cr3t" not in text
    fine = {"B24BOT_PORTAL": "acme.bitrix24.ru", "CLIENT_ID": "local.1", "CLIENT_SECRET": "s"}
    assert Settings.from_env(env | fine).doubts() == []


class Watched(Mapping[str, str]):
    def __init__(self, env: dict[str, str]) -> None:
        self.env, self.read = env, set[str]()

    def __getitem__(self, name: str) -> str:
        self.read.add(name)
        return self.env[name]

    def __iter__(self) -> Iterator[str]:
        raise AssertionError("settings are read by name")

    def __len__(self) -> int:
        return len(self.env)


def test_the_table_of_variables_lists_exactly_what_is_read(
    env: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    watched, gunicorn = Watched(env), Watched({})
    Settings.from_env(watched)
    monkeypatch.setattr("os.environ", gunicorn)
    exec((ROOT / "python_bot" / "gunicorn_conf.py").read_text(), {})
    monkeypatch.undo()
    systemds = {"LISTEN_FDS"}
    assert watched.read | gunicorn.read - systemds == set(VARIABLES)
    assert all(VARIABLES.values())
