"""`botctl INSTANCE create` and `purge` below a staging root: files only, so fast enough for every day."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from python_bot.errors import B24BotError
from python_bot.provisioning import nginx
from python_bot.provisioning.domain import read_domain
from python_bot.provisioning.envfile import read_env_file, write_env
from python_bot.provisioning.paths import Layout
from tests.support import ROOT


def botctl(root: Path, *args: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "B24BOT_ROOT": str(root), "LC_ALL": "C.UTF-8"}
    command = [sys.executable, "-m", "python_bot.cli", *args]
    return subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=60, check=False)


def files(root: Path) -> dict[str, tuple[int, int]]:
    """Inode and time of change of everything that is not in /run."""
    found = {str(path.relative_to(root)): path.lstat() for path in root.rglob("*")}
    return {name: (stat.st_ino, stat.st_mtime_ns) for name, stat in found.items() if not name.startswith("run")}


def create(root: Path, name: str, *flags: str) -> None:
    done = botctl(root, name, "create", "--domain", "bots.example.ru", "--yes", *flags)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_second_run_changes_no_inode_and_no_time(tmp_path: Path) -> None:
    create(tmp_path, "shop")
    before = files(tmp_path)
    create(tmp_path, "shop")
    assert files(tmp_path) == before


def test_purging_the_last_leaves_the_root_as_it_was(tmp_path: Path) -> None:
    for name in ("etc", "var"):
        (tmp_path / name).mkdir()
    before = set(files(tmp_path))
    for name in ("foo", "foobar", "foo-1"):
        create(tmp_path, name)
    for name in ("foo", "foobar", "foo-1"):
        assert botctl(tmp_path, name, "purge", "--yes").returncode == 0
    assert set(files(tmp_path)) == before


def test_a_plan_writes_nothing_and_shows_no_secret(tmp_path: Path) -> None:
    done = botctl(tmp_path, "shop", "create", "--domain", "bots.example.ru", "--plan")
    assert done.returncode == 0
    assert "/etc/nginx/b24bots.d/bots.example.ru/shop.conf" in done.stdout
    assert "its content is secret" in done.stdout and "API_SECRET_TOKEN" not in done.stdout
    assert files(tmp_path) == {}


def test_a_verb_cannot_name_an_instance(tmp_path: Path) -> None:
    for verb in ("create", "list", "purge"):
        assert botctl(tmp_path, verb, "create", "--domain", "bots.example.ru", "--yes").returncode == 2


def test_moving_to_another_domain_removes_the_former_files(tmp_path: Path) -> None:
    create(tmp_path, "shop")
    assert botctl(tmp_path, "shop", "create", "--domain", "other.example.ru", "--yes").returncode == 0
    assert [name for name in files(tmp_path) if "bots.example.ru" in name] == []


@pytest.mark.parametrize("value", ["plain", "with space", 'a"b', "a\\b", "$HOME `id`", "'single'", "Бот №1", "#x", ""])
def test_a_setting_comes_back_as_it_was_written(tmp_path: Path, value: str) -> None:
    path = tmp_path / "x.env"
    path.write_bytes(write_env({"NAME": value}))
    assert read_env_file(path) == {"NAME": value}


@pytest.mark.parametrize(
    "pasted, expected",
    [
        ("https://Пример.РФ/путь", "xn--e1afmkfd.xn--p1ai"),
        ("Bots.Example.RU.", "bots.example.ru"),
        (" http://user@bots.example.ru:8080/x?y ", "bots.example.ru"),
        ("faß.de", "xn--fa-hia.de"),
    ],
)
def test_a_domain_is_taken_as_it_is_pasted(pasted: str, expected: str) -> None:
    assert read_domain(pasted).ascii == expected


@pytest.mark.parametrize(
    "pasted", ["", "localhost", "при_мер.рф", "-x.ru", "☃.net", "a b.ru", "приmер.рф", "x" * 64 + ".ru"]
)
def test_what_is_no_domain_is_refused_with_a_next_step(pasted: str) -> None:
    with pytest.raises(B24BotError) as refused:
        read_domain(pasted)
    assert refused.value.next_step


def test_a_name_that_mixes_alphabets_is_taken_when_it_is_meant_and_known_from_then_on(tmp_path: Path) -> None:
    ascii_name = "приmер.рф".encode("idna").decode()
    refused = botctl(tmp_path, "shop", "create", "--domain", "приmер.рф", "--yes")
    assert refused.returncode == 1 and "--allow-mixed-scripts" in refused.stderr
    create(tmp_path, "shop", "--domain", "приmер.рф", "--allow-mixed-scripts")
    assert (tmp_path / f"etc/nginx/b24bots.d/{ascii_name}/shop.conf").is_file()
    before = files(tmp_path)
    assert botctl(tmp_path, "shop", "create", "--yes").returncode == 0
    assert files(tmp_path) == before


@pytest.mark.parametrize(
    "text, found",
    [
        ("server { listen 80; server_name x.ru bots.example.ru; }", True),
        ("server {\n  server_name\n    bots.example.ru;\n}", True),
        ("server { # server_name bots.example.ru;\n}", False),
        ("server { server_name xbots.example.ru; }", False),
    ],
)
def test_another_file_with_the_name_is_found(tmp_path: Path, text: str, found: bool) -> None:
    path = tmp_path / "etc/nginx/conf.d/other.conf"
    path.parent.mkdir(parents=True)
    path.write_text(text)
    assert nginx.other_owner_of(Layout(tmp_path), "bots.example.ru") == (path if found else None)
