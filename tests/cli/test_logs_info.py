"""`botctl INSTANCE logs`, `url`, `info`, and the completion scripts."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from python_bot.cli.completion import script
from python_bot.cli.main import INSTANCE_VERBS, SERVER_VERBS
from python_bot.provisioning.paths import Layout
from tests.cli.tools import botctl, create, ok, shown
from tests.support import ROOT, until

# --- logs -------------------------------------------------------------------------------------------------------


def line(number: int, **more: str) -> str:
    row = {"time": "2026-01-01T00:00:00.000Z", "level": "INFO", "instance": "shop-1", "logger": "worker"}
    return json.dumps({**row, "message": f"слово {number}", **more}, ensure_ascii=False) + "\n"


@pytest.fixture
def log(tmp_path: Path) -> Path:
    create(tmp_path)
    path = Layout(tmp_path).home("shop-1") / "bot.log"
    path.write_text("".join(line(number) for number in range(5000)))
    return path


def test_the_last_lines_are_shown_for_people(tmp_path: Path, log: Path) -> None:
    with log.open("a") as file:
        file.write(line(5000, level="ERROR", trace_id="abc123", exception="Traceback\n  ValueError"))
        file.write("no json at all\n")
    out = ok(tmp_path, "shop-1", "logs", "-n", "3").splitlines()
    assert out[0] == "2026-01-01T00:00:00.000Z INFO     worker: слово 4999"
    assert out[1].endswith("worker: слово 5000  [trace_id=abc123]")
    assert out[2:4] == ["    Traceback", "      ValueError"]
    assert out[4] == "no json at all"
    assert len(ok(tmp_path, "shop-1", "logs").splitlines()) == 52
    assert ok(tmp_path, "shop-1", "logs", "-n", "0") == ""
    assert len(ok(tmp_path, "shop-1", "logs", "-n", "100000").splitlines()) == 5004


def test_json_is_the_file_as_it_is(tmp_path: Path, log: Path) -> None:
    done = botctl(tmp_path, "shop-1", "logs", "-n", "2", "--json")
    assert done.stdout == line(4998) + line(4999)
    assert done.stderr == ""


def test_what_strangers_wrote_cannot_steer_the_terminal(tmp_path: Path, log: Path) -> None:
    log.write_text(line(1, message="\x1b]0;owned\x07\x9b2J"))
    out = ok(tmp_path, "shop-1", "logs")
    assert "\x1b" not in out
    assert "\x9b" not in out
    assert "\\x1b]0;owned\\x07" in out


def test_where_gunicorns_own_words_are_is_said(tmp_path: Path, log: Path) -> None:
    assert "Gunicorn" in botctl(tmp_path, "shop-1", "logs").stderr
    log.unlink()
    done = botctl(tmp_path, "shop-1", "logs")
    assert done.returncode == 1
    assert "Next step:" in done.stderr


@contextmanager
def following(root: Path, *options: str) -> Iterator[Path]:
    """`logs -f` in a process of its own; the file that it writes to."""
    output = root / "followed"
    env = {**os.environ, "B24BOT_ROOT": str(root), "PYTHONUTF8": "1", "PYTHONUNBUFFERED": "1"}
    command = [sys.executable, "-m", "python_bot.cli", "shop-1", "logs", "-f", "--json", *options]
    with output.open("wb") as sink:
        process = subprocess.Popen(command, cwd=ROOT, env=env, stdin=subprocess.DEVNULL, stdout=sink, stderr=sink)
    try:
        yield output
    finally:
        process.send_signal(2)
        assert process.wait(10) == 0


def test_following_goes_on_over_rotation_and_truncation(tmp_path: Path, log: Path) -> None:
    with following(tmp_path, "-n", "1") as output:

        def saw(number: int) -> bool:
            return f"слово {number}" in output.read_text()

        until(lambda: saw(4999))
        with log.open("a") as old:
            old.write(line(5001))
            old.flush()
            until(lambda: saw(5001))
            log.rename(log.with_name("bot.log.1"))
            old.write(line(5002))  # the instance has not noticed yet
            old.flush()
            log.write_text(line(5003))
            until(lambda: saw(5003))
            assert saw(5002)
        shutil.copy(log, log.with_name("bot.log.2"))
        os.truncate(log, 0)
        until(lambda: not log.stat().st_size)
        import time

        time.sleep(0.5)
        with log.open("a") as file:
            file.write(line(5004)[:20])
            file.flush()
            time.sleep(0.4)
            file.write(line(5004)[20:])
        until(lambda: saw(5004))
    numbers = [json.loads(text)["message"] for text in output.read_text().splitlines()]
    assert numbers == [f"слово {n}" for n in (4999, 5001, 5002, 5003, 5004)]


# --- url and info -----------------------------------------------------------------------------------------------


def test_url_is_shown_as_the_portal_and_as_people_read_it(tmp_path: Path) -> None:
    create(tmp_path)
    create(tmp_path, "shop-2", "--domain", "https://Пример.РФ/путь")
    assert ok(tmp_path, "shop-1", "url") == "http://bots.example.ru/shop-1/python_bot/\n"
    punycode, unicode = "http://xn--e1afmkfd.xn--p1ai/shop-2/python_bot/", "http://пример.рф/shop-2/python_bot/"
    assert ok(tmp_path, "shop-2", "url") == f"{punycode}\n{unicode}\n"
    assert shown(tmp_path, "shop-2", "url") == {"url": punycode, "unicode": unicode}


def test_info_names_paths_that_exist_and_no_secret(tmp_path: Path) -> None:
    create(tmp_path)
    found = shown(tmp_path, "shop-1", "info")
    for name in ("home", "files", "settings", "specification", "nginx", "vhost"):
        assert Path(found["paths"][name]).exists(), name
    assert found["user"] == "b24bot-shop-1"
    assert found["units"]["socket"] == "gunicorn-b24bot-shop-1.socket"
    assert found["bytes"]["home"] >= 0
    token = ok(tmp_path, "shop-1", "token", "show").strip()
    assert token not in ok(tmp_path, "shop-1", "info")
    assert botctl(tmp_path, "nobody", "info").returncode == 4


# --- completion -------------------------------------------------------------------------------------------------

SCRIPT = script("bash", SERVER_VERBS, INSTANCE_VERBS)


def completed(root: Path, *words: str) -> set[str]:
    """What bash offers for the last word."""
    code = f"""{SCRIPT}
COMP_WORDS=(botctl "$@"); COMP_CWORD=$#; compopt() {{ :; }}; _botctl; printf '%s\\n' "${{COMPREPLY[@]}}"
"""
    done = subprocess.run(
        ["bash", "-c", code, "bash", *words],
        env={**os.environ, "B24BOT_ROOT": str(root)},
        cwd=root,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr == ""
    return set(done.stdout.split())


def test_the_first_word_is_an_instance_or_a_verb_of_the_server(tmp_path: Path) -> None:
    create(tmp_path)
    assert completed(tmp_path, "") == {"shop-1", *SERVER_VERBS}
    assert completed(tmp_path, "sh") == {"shop-1"}
    (tmp_path / "empty").mkdir()
    assert completed(tmp_path / "empty", "") == {*SERVER_VERBS}


def test_every_verb_and_every_option_is_completed(tmp_path: Path) -> None:
    assert completed(tmp_path, "shop-1", "") == set(INSTANCE_VERBS)
    assert completed(tmp_path, "shop-1", "outbox", "--re") == {"--revive", "--revive-all", "--revive-webhook"}
    assert completed(tmp_path, "shop-1", "token", "") == {"add", "list", "revoke", "rotate", "show"}
    token_options = {"--admin", "--export", "--expires", "--line", "--read", "--json", "--help"}
    assert completed(tmp_path, "shop-1", "token", "add", "list", "--") == token_options
    assert completed(tmp_path, "upgrade", "--") == {"--all", "--to", "--help"}
    assert completed(tmp_path, "completion", "") == {"bash", "zsh", "--help"}
    assert completed(tmp_path, "shop-1", "logs", "-n", "") == set()


def test_settings_and_files_are_completed(tmp_path: Path) -> None:
    (tmp_path / "copy.tar.gz").touch()
    assert completed(tmp_path, "shop-1", "config", "set", "B24BOT_LI") == {"B24BOT_LINES="}
    assert completed(tmp_path, "shop-1", "config", "set", "CLIENT_S") == {"CLIENT_SECRET"}
    assert "B24BOT_HOME=" not in completed(tmp_path, "shop-1", "config", "set", "")
    assert completed(tmp_path, "shop-1", "restore", "cop") == {"copy.tar.gz"}
    assert "copy.tar.gz" in completed(tmp_path, "shop-1", "create", "--token-file", "")


def test_an_instance_named_like_a_command_inside_a_verb_confuses_nothing(tmp_path: Path) -> None:
    assert completed(tmp_path, "list", "--") == {"--json", "--help"}
    assert completed(tmp_path, "token", "") == set(INSTANCE_VERBS)


@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_the_scripts_are_accepted_by_their_shells(tmp_path: Path, shell: str) -> None:
    if not shutil.which(shell):
        pytest.skip(f"no {shell} here")
    text = ok(tmp_path, "completion", shell)
    subprocess.run([shell, "-n"], input=text, text=True, check=True)


def test_the_zsh_script_is_the_bash_one_in_zshs_own_frame(tmp_path: Path) -> None:
    assert ok(tmp_path, "completion", "zsh").startswith("#compdef botctl\n")
    assert botctl(tmp_path, "completion", "fish").returncode == 2
