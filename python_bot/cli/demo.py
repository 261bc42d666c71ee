"""`botctl demo`: a simulated portal, one real instance under Gunicorn, and a conversation shown live.

No root, nothing installed, nothing left behind: everything lives in a temporary directory and on loopback.
"""

from __future__ import annotations

import json
import os
import secrets
import signal
import socket
import subprocess
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import click

from ..errors import B24BotError
from ..simulator import SimulatedPortal
from .demo_texts import TEXTS
from .language import language
from .run import PACKAGE_ROOT, gunicorn_command

START_TIMEOUT_S: Final = 30.0
PORTAL_SECRET: Final = "demo-client-secret"
COLOURS: Final = {"client": "cyan", "operator": "green", "bot": "magenta", "system": "bright_black"}


@click.command()
@click.option("--port", default=0, help="Loopback port of the instance (default: a free one).")
@click.option("--pause", default=0.7, show_default=True, help="Seconds between the lines of the conversation.")
@click.option("--exit", "exit_after", is_flag=True, help="End after the conversation instead of waiting for Ctrl-C.")
def demo(port: int, pause: float, exit_after: bool) -> None:
    """Show the whole product at work against a simulated portal.

    Example: botctl demo
    """
    signal.signal(signal.SIGTERM, _interrupt)
    signal.signal(signal.SIGHUP, _interrupt)
    say = _Narrator()
    with tempfile.TemporaryDirectory(prefix="b24bot-demo-") as directory:
        try:
            with SimulatedPortal() as portal:
                say.step("portal", url=portal.url)
                with _instance(Path(directory), portal, port) as bot:
                    _show(say, portal, bot, pause)
                    if not exit_after:
                        threading.Event().wait()
        except KeyboardInterrupt:
            click.echo()
        say.step("ending", home=directory)
    say.step("ended")


def _interrupt(number: int, frame: object) -> None:
    raise KeyboardInterrupt


class _Narrator:
    def __init__(self) -> None:
        self._texts = TEXTS[language()]
        self._started = time.monotonic()

    def __getitem__(self, name: str) -> str:
        return self._texts[name]

    def step(self, name: str, **values: Any) -> None:
        click.secho("● ", fg="green", nl=False)
        click.echo(self._texts[name].format(**values))

    def line(self, who: str, text: str) -> None:
        click.echo(f"  {time.monotonic() - self._started:6.2f} s  ", nl=False)
        click.secho(f"{self._texts[who]:>9}", fg=COLOURS[who], nl=False)
        click.echo(f"  {text}")


class _Bot:
    """The running instance as an integrator sees it."""

    def __init__(self, url: str, token: str, home: Path) -> None:
        self.url, self.token, self.home = url, token, home

    def api(self, path: str) -> Any:
        request = urllib.request.Request(self.url + path, headers={"Authorization": f"Bearer {self.token}"})
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.load(answer)


@contextmanager
def _instance(directory: Path, portal: SimulatedPortal, port: int) -> Iterator[_Bot]:
    home = directory / "demo"
    home.mkdir(mode=0o700)
    port = port or _free_port()
    bot = _Bot(f"http://127.0.0.1:{port}", secrets.token_urlsafe(24), home)
    env = {
        **os.environ,
        "B24BOT_INSTANCE": "demo",
        "B24BOT_HOME": str(home),
        "B24BOT_PUBLIC_URL": f"{bot.url}/python_bot/",
        "B24BOT_PORTAL": portal.url,
        "B24BOT_OAUTH_URL": portal.oauth_url,
        "API_SECRET_TOKEN": bot.token,
        "CLIENT_ID": "local.demo",
        "CLIENT_SECRET": PORTAL_SECRET,
        "PORT": str(port),
    }
    output = directory / "gunicorn.out"
    with output.open("wb") as sink:
        # A session of its own: Ctrl-C reaches only us, and we end it in order.
        process = subprocess.Popen(
            gunicorn_command(),
            cwd=PACKAGE_ROOT,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=sink,
            start_new_session=True,
        )
    try:
        _wait_until_up(bot, process, output)
        yield bot
    finally:
        _end(process)


def _wait_until_up(bot: _Bot, process: subprocess.Popen[bytes], output: Path) -> None:
    end = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < end and process.poll() is None:
        try:
            bot.api("/readyz")
            return
        except (OSError, urllib.error.URLError):
            time.sleep(0.05)
    tail = "\n".join(output.read_text(encoding="utf-8", errors="replace").splitlines()[-12:])
    raise B24BotError(f"{TEXTS[language()]['failed']}\n{tail}")


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(15)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _wait(probe: Any, timeout_s: float = 10.0) -> Any:
    end = time.monotonic() + timeout_s
    while not (value := probe()) and time.monotonic() < end:
        time.sleep(0.02)
    return value


def _show(say: _Narrator, portal: SimulatedPortal, bot: _Bot, pause: float) -> None:
    say.step("instance", url=bot.url)
    portal.install_app(f"{bot.url}/python_bot/", client_id="local.demo", client_secret=PORTAL_SECRET)
    state = _wait(lambda: bot.api("/api/admin/status")["portal"]) or {}
    say.step("installed", bot_id=state.get("bot_id"))
    say.step("talk")
    chat_id = _talk(say, portal, pause)
    portal.wait_quiet()
    dialog = _wait(lambda: (d := bot.api(f"/api/dialogs/{chat_id}"))["dialog"]["complete"] and d)
    dialog = dialog or bot.api(f"/api/dialogs/{chat_id}")
    facts = dialog["dialog"]
    say.step("archived", count=facts["message_count"], complete=say["complete" if facts["complete"] else "incomplete"])
    say.step("explore")
    click.echo(f"  # {say['browser'].format(token=bot.token)}\n  {bot.url}/ui/")
    header = f"-H 'Authorization: Bearer {bot.token}'"
    for name, path in (
        ("dialogs", "/api/dialogs"),
        ("dialog", f"/api/dialogs/{chat_id}"),
        ("users", "/api/users"),
        ("status", "/api/admin/status"),
    ):
        click.echo(f"  # {say[name]}\n  curl -s {header} {bot.url}{path} | python3 -m json.tool --no-ensure-ascii")
    search = f"curl -s {header} --get --data-urlencode 'q={say['word']}' {bot.url}/api/search"
    click.echo(f"  # {say['search']}\n  {search} | python3 -m json.tool --no-ensure-ascii")
    click.echo(f"  # {say['export']}\n  curl -s {header} -o archive.csv '{bot.url}/api/export?format=csv'")
    click.echo(f"  # {say['metrics']}\n  curl -s {bot.url}/metrics")
    click.echo(f"  # {say['log']}\n  tail -f {bot.home / 'bot.log'}")


def _talk(say: _Narrator, portal: SimulatedPortal, pause: float) -> int:
    client = portal.client("Анна Смирнова", connector="telegrambot", line=3, external_id="209607941")
    operator = portal.operator(27)

    def client_says(text: str) -> Any:
        say.line("client", text)
        return client.writes(text)

    def operator_says(text: str) -> Any:
        say.line("operator", text)
        return operator.writes(chat_id, text)

    first = client_says("Добрый день! Подскажите, пожалуйста, есть ли доставка в Казань? 👍")
    chat_id: int = first.chat_id
    say.line("bot", say["joins"])
    _wait(lambda: portal.handed_over(chat_id))
    say.line("bot", say["handed"].format(ms=1000 * portal.handover_times.get(first.session_id, 0.0)))
    time.sleep(pause)
    operator.answers(chat_id)
    operator_says("[B]Здравствуйте, Анна![/B] Доставка в Казань — 300 руб., два дня.")
    time.sleep(pause)
    receipt = portal.file("чек №7.jpg", b"\xff\xd8\xff" + b"demo" * 100)
    say.line("client", say["sends"].format(name=receipt.name))
    client.writes("", files=[receipt])
    time.sleep(pause)
    offer = operator_says("Вижу оплату. Отправим сегодня, трек пришлю в 18:00.")
    time.sleep(pause)
    say.line("operator", say["edits"].format(text="Вижу оплату. Отправим сегодня, трек пришлю в 17:00."))
    operator.edits(offer, "Вижу оплату. Отправим сегодня, трек пришлю в 17:00.")
    time.sleep(pause)
    slip = client_says("Спасибо! Мой телефон +7 900 000-00-00")
    time.sleep(pause)
    say.line("client", say["deletes"])
    client.deletes(slip)
    time.sleep(pause)
    say.line("operator", say["finishes"])
    operator.finishes(chat_id)
    return chat_id
