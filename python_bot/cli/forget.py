"""`botctl <instance> forget`: a person leaves the archive, and the search shows it."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from typing import Any, Final

import click

from ..archive import Erased
from ..archive.outside import Named, Topic
from ..erasure.forget import Forgetting, Found, Proof
from ..erasure.whom import Client, InMessenger, Whom
from ..errors import B24BotError
from ..provisioning.owner import acting_as_owner
from .instances import home, open_storage

PREFIX: Final = "av:"  # of chats that have topics alone: Avito's
_KEEPERS: Final[dict[type[Whom], str]] = {
    Client: "the portal itself, which keeps",
    InMessenger: "the topic of the group and Avito itself, which keep",
}


@click.command()
@click.option("--client", "user_id", type=click.IntRange(min=1), metavar="ID", help="User in the portal.")
@click.option("--account", "account_id", type=click.IntRange(min=1), metavar="ID", help="Shop that has topics alone.")
@click.option("--chat", metavar="CHAT", help="Chat of that shop: the end of its address at Avito.")
@click.option("--person", metavar="NUMBER", help="Or their own number at Avito.")
@click.option("--dry-run", is_flag=True, help="Only say what would be erased.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--json", "as_json", is_flag=True, help="Machine-readable output.")
@click.pass_obj
def forget(
    instance: str,
    user_id: int | None,
    account_id: int | None,
    chat: str | None,
    person: str | None,
    dry_run: bool,
    yes: bool,
    as_json: bool,
) -> None:
    """Erase a person for good, while the instance runs, and prove it by searching its home directory.

    All dialogs in which the person is the client go, with everything that was said and sent in them, from the archive,
    its kept copies, the journal, the outbox and the logs. What is said later is archived as usual. Somebody who wrote
    to a shop of Avito that is shown in topics alone is no user of the portal: name the shop's account and the chat,
    or their number there; all their chats with your shops go.

    \b
    Examples:
      botctl shop-1 forget --client 744 --dry-run
      botctl shop-1 forget --client 744
      botctl shop-1 forget --account 2 --chat u2i-AbC~dEf
      botctl shop-1 forget --account 2 --person 94200002
    """
    whom = _whom(user_id, account_id, chat, person)
    place = home(instance)
    with acting_as_owner(place):
        storage = open_storage(instance, place)
        try:
            task = Forgetting(place, storage, whom, lambda text: click.echo(text, err=True))
            found = task.look()
            if dry_run or not found.traces.is_known:
                _tell_found(whom, found, as_json)
                return
            _refuse_others(whom, found)
            if not yes:
                _ask(whom, found)
            erased, lines = task.erase(found)
            proof = task.prove(found)
        finally:
            storage.close()
    if as_json:
        values = _found(whom, found) | {"erased": asdict(erased) | {"log_lines": lines}, "search": asdict(proof)}
        click.echo(json.dumps(values, ensure_ascii=False, indent=1))
    else:
        _tell(whom, found, erased, lines, proof)
    if proof.left:
        raise click.exceptions.Exit(1)


def _whom(user_id: int | None, account_id: int | None, chat: str | None, person: str | None) -> Whom:
    outside = [f"{PREFIX}{found.removeprefix(PREFIX)}" if found else "" for found in (chat, person)]
    if user_id is not None and account_id is None and not any(outside):
        return Client(user_id)
    if user_id is None and account_id is not None and any(outside) and not all(outside):
        return InMessenger(Named(account_id, *outside))
    raise click.UsageError("name one person: --client ID, or --account ID with --chat CHAT or --person NUMBER")


def _refuse_others(whom: Whom, found: Found) -> None:
    if isinstance(whom, InMessenger) and found.traces.chats:
        raise B24BotError(
            f"the portal shows {whom} as dialog {min(found.traces.chats)}; nothing was erased",
            next_step="forget the client of that dialog: botctl INSTANCE forget --client ID",
        )
    if not found.traces.chats and found.traces.others:
        raise B24BotError(
            f"{whom} is the client of no dialog, but took part in {found.traces.others}: their words belong to the"
            " conversations of others; nothing was erased",
            next_step="forget the clients of those dialogs, or let B24BOT_RETENTION_DAYS delete them",
        )


def _ask(whom: Whom, found: Found) -> None:
    if not sys.stdin.isatty():
        raise B24BotError("nobody can be asked here; nothing was erased", next_step="give --yes")
    what = f"{len(found.traces.chats)} dialogs of {whom}" if isinstance(whom, Client) else str(whom)
    click.confirm(f"Erase {what} for good?", abort=True)


def _found(whom: Whom, found: Found) -> dict[str, Any]:
    return whom.facts() | {
        "known": found.traces.is_known,
        "chats": sorted(found.traces.chats),
        "as_operator_in": found.traces.others,
        "copies": list(found.copies),
        "topics": [_address(topic) for topic in sorted(found.topics)],
    }


def _tell_found(whom: Whom, found: Found, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(_found(whom, found), ensure_ascii=False, indent=1))
    elif not found.traces.is_known:
        click.echo(f"Nothing is known of {whom} in the archive and its kept copies.")
    else:
        chats = ", ".join(map(str, sorted(found.traces.chats))) or "none"
        click.echo(f"Dialogs of {whom}: {chats}; with {len(found.traces.texts)} different texts")
        if found.copies:
            click.echo(f"Kept copies that know them: {', '.join(found.copies)}")
        _tell_others(whom, found)
        for topic in sorted(found.topics):
            click.echo(f"A topic in Telegram shows it: {_address(topic)}")
        click.echo("Nothing was changed.")


def _address(topic: Topic) -> str:
    """Where members of the group find it: the number of a supergroup begins with -100."""
    group_id, thread_id = topic
    return f"https://t.me/c/{group_id.removeprefix('-100')}/{thread_id}"


def _tell_others(whom: Whom, found: Found) -> None:
    if found.traces.others:
        click.echo(
            f"In {found.traces.others} more dialogs {whom} took part without being the client: those stay, with"
            " their words and their name; they are the conversations of others."
        )


def _tell(whom: Whom, found: Found, erased: Erased, lines: int, proof: Proof) -> None:
    click.echo(
        f"Erased: {erased.dialogs} dialogs, {erased.messages} messages, {erased.files} files, {erased.journal} journal"
        f" entries, {erased.jobs} jobs, {erased.users} users, {lines} log lines"
        + (f"; the same from {', '.join(found.copies)}" if found.copies else "")
    )
    _tell_others(whom, found)
    click.echo(
        f"Searched {proof.files} files ({proof.bytes / 1024 / 1024:.1f} MiB) for {proof.words} names and texts of"
        " theirs, as UTF-8, UTF-16, JSON, forms and compressed"
        + (f"; {proof.shared} more stand in dialogs of others and prove nothing" if proof.shared else "")
    )
    for file, what in proof.left:
        click.echo(f"Left: {what} in {file}")
    if proof.left:
        click.echo("Next step: look at these files and delete them, or run the same command again")
    else:
        click.echo("Nothing is left.")
    for topic in sorted(found.topics):
        click.echo(f"Delete this topic in Telegram, it shows what was said: {_address(topic)}")
    click.echo(
        "What botctl cannot reach is yours: backups (botctl INSTANCE backup, and of the whole server), copies of the"
        f" logs elsewhere, and {_KEEPERS[type(whom)]} the conversation until it is deleted there."
    )
