"""What `create` asks on a terminal: only what nobody has answered yet, again until the answer can be right."""

from __future__ import annotations

from collections.abc import Callable

import click

from ..errors import B24BotError, SettingsError
from ..provisioning import duckdns
from ..provisioning.domain import read_domain
from ..provisioning.paths import Layout
from ..settings import Settings

Texts = dict[str, str]


def ask_what_is_missing(layout: Layout, given: dict[str, str], say: Texts, *, allow_mixed_scripts: bool) -> None:
    """Complete `given`. Ends with click.Abort when the person does."""

    def wrong_domain(text: str) -> str:
        try:
            read_domain(text, allow_mixed_scripts=allow_mixed_scripts)
        except B24BotError:
            return say["wrong_domain"].format(text=text)
        return ""

    def wrong_portal(text: str) -> str:
        return "" if not text or is_portal(text) else say["wrong_portal"].format(text=text)

    given["domain"] = _ask(say["ask_domain"], wrong_domain)
    name = duckdns.name_of(read_domain(given["domain"], allow_mixed_scripts=allow_mixed_scripts).ascii)
    if name and not given.get("duckdns_token") and not duckdns.known_token(layout, name):
        given["duckdns_token"] = _ask(say["ask_duckdns_token"], hide=True)
    if not given.get("portal"):
        given["portal"] = _ask(say["ask_portal"], wrong_portal)
    if not given.get("client_id"):
        given["client_id"] = _ask(say["ask_client_id"])
    if given["client_id"] and not given.get("client_secret"):
        given["client_secret"] = _ask(say["ask_client_secret"], hide=True)


def is_portal(text: str) -> bool:
    """Whether the setting B24BOT_PORTAL would be taken."""
    whole = {"API_SECRET_TOKEN": 16 * "x", "B24BOT_HOME": "/", "B24BOT_EVENT_MODE": "fetch", "B24BOT_PORTAL": text}
    try:
        Settings.from_env(whole)
    except SettingsError as error:
        return not any("B24BOT_PORTAL" in problem for problem in error.problems)
    return True


def _ask(question: str, wrong: Callable[[str], str] = lambda text: "", *, hide: bool = False) -> str:
    """An answer that is not `wrong` (which says why); what is hidden is not echoed."""
    while True:
        answer: str = click.prompt(question, default="", show_default=False, hide_input=hide).strip()
        problem = wrong(answer)
        if not problem:
            return answer
        click.echo(problem, err=True)


def confirm(question: str, say: Texts) -> bool:
    """Enter means yes; yes and no in both languages."""
    while True:
        answer: str = click.prompt(f"{question} {say['yes_or_no']}", default="", show_default=False)
        word = answer.strip().lower()
        if not word or word in ("y", "yes", "д", "да"):
            return True
        if word in ("n", "no", "н", "нет"):
            return False
