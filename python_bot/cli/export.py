"""`botctl <instance> export FILE`: the archive as a file."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, nullcontext
from pathlib import Path
from typing import IO, Any, Final

import click

from ..archive import SqliteArchive
from ..attachments.store import MIB
from ..errors import B24BotError
from ..export import FORMATS, LANGUAGES, Exporter, Wish
from ..provisioning.owner import acting_as_owner
from ..search import Index, IndexedSearch
from ..settings import Settings
from .instances import environment, home, open_storage

STDOUT: Final = "-"
FILTERS: Final = {
    "chat-id": "One dialog; with html its page itself.",
    "since": "From this time on (ISO 8601; without a zone UTC).",
    "until": "Before this time.",
    "date": "This day.",
    "start-time": "From this time of --date on.",
    "end-time": "Before this time of --date.",
    "tz-offset": "Hours east of UTC, of --date and of the times in csv and html.",
    "line-id": "Dialogs of this open line.",
    "connector-id": "Dialogs of this channel.",
    "operator-id": "Dialogs of this present operator.",
    "client-id": "Dialogs of this client.",
    "status": "Dialogs that are open or closed.",
    "has-files": "true or false.",
    "updated-after": "What changed after this time.",
    "q": "What the search finds.",
}


def _filter_options(command: Callable[..., None]) -> Callable[..., None]:
    for name, text in reversed(FILTERS.items()):
        command = click.option(f"--{name}", metavar="VALUE", help=text)(command)
    return command


@click.command()
@click.argument("file")
@click.option("--format", "file_format", type=click.Choice(FORMATS), default="jsonl", show_default=True)
@click.option("--anonymise", is_flag=True, help="Pseudonyms in the place of people and of what leads to them.")
@click.option("--lang", type=click.Choice(LANGUAGES), help="Of csv and html: ru unless given.")
@_filter_options
@click.pass_obj
def export(
    instance: str, /, file: str, file_format: str, anonymise: bool, lang: str | None, **filters: str | None
) -> None:
    """Write the archive to FILE, or to the standard output (-), whether the instance runs or not.

    jsonl: a message a line, as the API shows it. csv: for Excel. html: pages for reading, in a ZIP unless --chat-id
    names one dialog. sqlite: tables for analysis. FILE appears when it is whole.

    \b
    Examples:
      botctl shop-1 export archive.jsonl
      botctl shop-1 export - --format csv --date 2026-07-29 --tz-offset 3 > day.csv
      botctl shop-1 export for-training.jsonl --anonymise --line-id 3
    """
    given = {name: value for name, value in filters.items() if value is not None}
    query = {**given, "format": file_format, "lang": lang or "", "anonymise": "1" if anonymise else "0"}
    place = home(instance)
    reserve = Settings.from_env(environment(instance)).disk_reserve_mb * MIB
    # The target first: it is the caller's own file, the rest is the instance's.
    with _target(file) as target, acting_as_owner(place):
        storage = open_storage(instance, place)
        try:
            archive = SqliteArchive(storage)
            exporter = Exporter(archive, place, reserve)
            with _search(archive, place, bool(given.get("q"))) as search:
                wish = _wish(query, search)
            _write(exporter, wish, target, shows=sys.stderr.isatty())
        finally:
            storage.close()


def _write(exporter: Exporter, wish: Wish, target: IO[bytes], *, shows: bool) -> None:
    bar: Any = click.progressbar(length=exporter.total(wish), label="messages", file=sys.stderr) if shows else None
    with bar or nullcontext():
        made = exporter.export(wish, bar.update if bar else lambda count: None)
        with closing(made):
            for piece in made.pieces:
                target.write(piece)


def _wish(query: dict[str, str], search: IndexedSearch | None) -> Wish:
    """As the API reads it. Raises B24BotError."""
    from ..web.api.export import read_wish
    from ..web.errors import ApiError  # brings Flask: only when it is needed

    try:
        return read_wish(query, search)
    except ApiError as error:
        name, _, what = error.message.partition(" ")
        option = f"--{name.replace('_', '-')}" if name in query else name
        raise B24BotError(f"{option} {what}", next_step="see --help for the options") from None


@contextmanager
def _search(archive: SqliteArchive, place: Path, wanted: bool) -> Iterator[IndexedSearch | None]:
    if not wanted:
        yield None
        return
    path = place / "search.db"
    if not path.exists():
        raise B24BotError(
            "there is no search index yet", next_step="let the instance run for a while, or leave --q out"
        )
    index = Index(path)
    index.open()
    try:
        search = IndexedSearch(archive, index)
        if behind := search.backlog():
            click.echo(f"The search index does not know {behind} messages yet: the instance is not running?", err=True)
        yield search
    finally:
        index.close()


@contextmanager
def _target(file: str) -> Iterator[IO[bytes]]:
    """Standard output, or a file (0600) that takes its name when all is in it. Raises B24BotError."""
    if file == STDOUT:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    path = Path(file)
    try:
        handle, name = tempfile.mkstemp(".part", f".{path.name}.", path.parent)
    except OSError as error:
        raise B24BotError(
            f"{path.parent} cannot be written to: {error.strerror}", next_step="name another file"
        ) from None
    part = Path(name)
    try:
        with os.fdopen(handle, "wb") as target:
            yield target
            target.flush()
            os.fsync(target.fileno())
        part.replace(path)
    except OSError as error:
        raise B24BotError(f"{path} could not be written: {error.strerror}", next_step="free some room") from None
    finally:
        part.unlink(missing_ok=True)
