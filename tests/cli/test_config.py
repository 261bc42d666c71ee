"""`botctl INSTANCE config`: values are checked before they are written, and nothing is lost."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from python_bot.provisioning.envfile import read_env_file
from python_bot.provisioning.paths import Layout
from tests.cli.tools import botctl, create, env_of, ok, shown
from tests.support import ROOT

SECRET = "s3cret-of-the-application-0123456789"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    create(tmp_path)
    return tmp_path


def settings(root: Path) -> dict[str, str]:
    return read_env_file(Layout(root).env_file("shop-1"))


def test_get_masks_secrets_unless_asked(root: Path) -> None:
    token = settings(root)["API_SECRET_TOKEN"]
    assert token not in ok(root, "shop-1", "config", "get")
    assert ok(root, "shop-1", "config", "get", "API_SECRET_TOKEN").strip() == "***"
    assert ok(root, "shop-1", "config", "get", "API_SECRET_TOKEN", "--reveal").strip() == token
    assert ok(root, "shop-1", "config", "get", "B24BOT_PORTAL").strip() == "acme.bitrix24.ru"
    assert shown(root, "shop-1", "config", "get")["API_SECRET_TOKEN"] == "***"
    unset = botctl(root, "shop-1", "config", "get", "B24BOT_HANDOVER")
    assert unset.returncode == 1
    assert "not set" in unset.stderr


def test_set_changes_what_was_asked_and_nothing_else_and_says_that_a_restart_is_needed(root: Path) -> None:
    before = settings(root)
    path = Layout(root).env_file("shop-1")
    path.write_text(path.read_text() + "FUTURE_SETTING=kept\n")
    out = ok(root, "shop-1", "config", "set", "B24BOT_HANDOVER=user:27", "B24BOT_BOT_NAME=ООО «Ромашка» 'бот'")
    assert "botctl shop-1 restart" in out
    wanted = {"B24BOT_HANDOVER": "user:27", "B24BOT_BOT_NAME": "ООО «Ромашка» 'бот'", "FUTURE_SETTING": "kept"}
    assert settings(root) == {**before, **wanted}
    assert path.stat().st_mode & 0o777 == 0o600
    assert "nothing was changed" in ok(root, "shop-1", "config", "set", "B24BOT_HANDOVER=user:27")


def test_a_bad_value_is_named_and_changes_nothing_not_even_the_good_one_beside_it(root: Path) -> None:
    before = env_of(root)
    done = botctl(root, "shop-1", "config", "set", "B24BOT_LINES=3", "B24BOT_HANDOVER=nobody", "B24BOT_LOG_LEVEL=loud")
    assert done.returncode == 1
    assert "B24BOT_HANDOVER" in done.stderr
    assert "B24BOT_LOG_LEVEL" in done.stderr
    assert "Next step:" in done.stderr
    assert env_of(root) == before


@pytest.mark.parametrize("value", ["a\nB24BOT_LINES=none", "a\\b", '"a" b', " a ", "a\tb", "a\x1b[2J"])
def test_a_value_that_the_file_cannot_hold_is_refused(root: Path, value: str) -> None:
    before = env_of(root)
    done = botctl(root, "shop-1", "config", "set", f"B24BOT_BOT_NAME={value}")
    assert done.returncode == 1
    assert "B24BOT_BOT_NAME" in done.stderr
    assert env_of(root) == before


def test_a_secret_is_read_from_standard_input_and_never_taken_from_the_command_line(root: Path) -> None:
    done = botctl(root, "shop-1", "config", "set", f"CLIENT_SECRET={SECRET}")
    assert done.returncode == 2
    assert SECRET not in done.stderr + done.stdout
    assert SECRET not in env_of(root)
    done = botctl(root, "shop-1", "config", "set", "CLIENT_ID=local.66aa", "CLIENT_SECRET", stdin=f"{SECRET}\n")
    assert done.returncode == 0
    assert settings(root)["CLIENT_SECRET"] == SECRET
    assert SECRET not in done.stdout + done.stderr
    assert botctl(root, "shop-1", "config", "set", "CLIENT_SECRET").returncode == 2, "nothing came on standard input"


@pytest.mark.parametrize("name", ["B24BOT_PUBLIC_URL", "B24BOT_HOME", "B24BOT_INSTANCE", "PORT"])
def test_what_is_the_identity_of_the_instance_is_refused_with_the_way_to_do_it(root: Path, name: str) -> None:
    before = env_of(root)
    for verb in (("set", f"{name}=x"), ("unset", name)):
        done = botctl(root, "shop-1", "config", *verb)
        assert done.returncode == 1
        assert "Next step:" in done.stderr
    assert env_of(root) == before


def test_an_unknown_setting_is_wrong_usage_with_the_near_one(root: Path) -> None:
    done = botctl(root, "shop-1", "config", "set", "B24BOT_LINE=3")
    assert done.returncode == 2
    assert "B24BOT_LINES" in done.stderr
    assert botctl(root, "shop-1", "config", "set", "B24BOT_LINES").returncode == 2, "no value"


@pytest.mark.parametrize("name", ["B24BOT_WEBHOOK_HOSTS", "B24BOT_FILE_HOSTS"])
def test_the_unit_lets_hosts_of_the_local_network_through_that_the_settings_name(root: Path, name: str) -> None:
    layout = Layout(root)

    def allowed() -> list[str]:
        text = (layout.units / layout.service("shop-1")).read_text(encoding="utf-8")
        return next(line for line in text.splitlines() if line.startswith("IPAddressAllow=")).partition("=")[2].split()

    before = allowed()
    ok(root, "shop-1", "config", "set", f"{name}=http://10.0.0.7:9000, [fd00::7]:9 127.0.0.1")
    assert set(allowed()) == {*before, "10.0.0.7", "fd00::7", "127.0.0.1"}
    ok(root, "shop-1", "config", "unset", name)
    assert allowed() == before


def test_unset_brings_the_default_back_but_not_for_what_is_required(root: Path) -> None:
    ok(root, "shop-1", "config", "set", "B24BOT_HANDOVER=user:27")
    ok(root, "shop-1", "config", "unset", "B24BOT_HANDOVER")
    assert "B24BOT_HANDOVER" not in settings(root)
    before = env_of(root)
    assert botctl(root, "shop-1", "config", "unset", "API_SECRET_TOKEN").returncode == 1
    assert env_of(root) == before


def test_a_changed_portal_reaches_the_unit_that_lets_its_address_through(root: Path) -> None:
    ok(root, "shop-1", "config", "set", "B24BOT_PORTAL=http://10.20.30.40")
    unit = (root / "etc/systemd/system/gunicorn-b24bot-shop-1.service").read_text()
    assert "10.20.30.40" in unit


def test_a_change_leaves_the_switch_alone(root: Path) -> None:
    home = Layout(root).home("shop-1")
    (home / "ENABLED").unlink()
    (home / "DISABLED").touch()
    ok(root, "shop-1", "config", "set", "B24BOT_LINES=3", "--restart")
    assert (home / "DISABLED").exists()


def test_changes_at_the_same_time_lose_nothing(root: Path) -> None:
    wanted = {"B24BOT_LINES": "3", "B24BOT_HANDOVER": "user:7", "B24BOT_LOG_LEVEL": "DEBUG", "B24BOT_BOT_NAME": "Бот"}
    env = {**os.environ, "B24BOT_ROOT": str(root), "PYTHONUTF8": "1"}
    running = [
        subprocess.Popen(
            [sys.executable, "-m", "python_bot.cli", "shop-1", "config", "set", f"{name}={value}"],
            cwd=ROOT,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        for name, value in wanted.items()
    ]
    for process in running:
        assert process.wait(timeout=30) == 0
        process.communicate()
    assert {name: settings(root)[name] for name in wanted} == wanted


def test_a_terminal_is_asked_without_showing_what_is_typed(root: Path) -> None:
    import pty

    child, terminal = pty.fork()
    if child == 0:
        os.chdir(ROOT)
        env = {**os.environ, "B24BOT_ROOT": str(root), "PYTHONUTF8": "1"}
        command = [sys.executable, "-m", "python_bot.cli", "shop-1", "config", "set", "CLIENT_SECRET"]
        os.execve(command[0], command, env)
    seen = b""
    while b"not shown" not in seen:
        seen += os.read(terminal, 1000)
    time.sleep(0.2)  # until the echo is off
    os.write(terminal, f"{SECRET}\n".encode())
    while True:
        try:
            seen += os.read(terminal, 1000)
        except OSError:
            break
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0, seen
    assert settings(root)["CLIENT_SECRET"] == SECRET
    assert SECRET.encode() not in seen
