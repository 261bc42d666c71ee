"""What the archive knows, read beside the running instance with the rights of its user."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from ..archive import SqliteArchive, SqliteCheckup, SqliteComparison, SqliteCompleteness
from ..channels.messages import SqliteChannelMessages
from ..channels.store import Held, SqliteChannels
from ..db import Storage, verdict
from ..errors import StorageDamaged, StorageError
from ..outbox import SqliteOutbox
from ..proof.report import Report
from ..traffic import Answered, Question, SqliteTraffic
from . import messengers
from .facts import AccountState, ArchiveState, Buried
from .together import together

SHOWN: Final = 20
DAY_S: Final = 86_400
AT_REST_S: Final = DAY_S  # what is younger may still be compared by itself
GAPS: Final = ("missing", "sessions_uncompared", "session_numbers_unprobed")
OWN_TEST: Final = "ONAPPTEST"


class Records:
    """Reads only, and never migrates. Close it after use."""

    def __init__(self, home: Path) -> None:
        self._path = home / "dialogs.db"
        self._storage = Storage(self._path)
        self._archive = SqliteArchive(self._storage)
        self._is_asked = False

    def close(self) -> None:
        """Only when no question is open: SQLite does not outlive a connection that is closed under it."""
        if not self._is_asked:
            self._storage.close()

    def inbound_nonce(self) -> str:
        """Of the last test event of the portal that arrived. Raises StorageError."""
        return str((self._archive.fact("inbound") or {}).get("nonce", ""))

    def refused_events(self, since: float) -> tuple[str, ...]:
        """Why events that came since then were not taken; empty when there is no journal of requests to tell."""
        wanted = Question(since=since - 1.0, direction="in", kinds=("event",))
        with suppress(StorageError):
            rows = SqliteTraffic(self._storage).page(wanted, SHOWN)
            return tuple(dict.fromkeys(row.outcome for row in rows if row.outcome not in ("", "ok", "unverified")))
        return ()

    def _traffic(self) -> tuple[tuple[Answered, ...], float | None]:
        """What the HTTP journal counted in the last day, and when its newest request began."""
        traffic = SqliteTraffic(self._storage)
        newest = traffic.last(Question())
        return tuple(traffic.counts(time.time() - DAY_S)), newest.at if newest else None

    def accounts(self) -> list[Held]:
        """Of messengers, with their secrets; none when the archive cannot tell."""
        if not self._path.is_file():
            return []
        with suppress(StorageError):
            return SqliteChannels(self._storage).all()
        return []

    def _accounts(self) -> tuple[AccountState, ...]:
        held = SqliteChannels(self._storage).all()
        waiting = SqliteChannelMessages(self._storage).count_waiting() if held else {}
        return tuple(messengers.told(each, waiting.get(each.account.id, 0)) for each in held)

    def look(self, within_s: float) -> ArchiveState:
        if not self._path.is_file():
            return ArchiveState(False)
        now = time.time()
        checkup, outbox = SqliteCheckup(self._storage), SqliteOutbox(self._storage)
        report = Report(self._archive, SqliteComparison(self._storage), SqliteCompleteness(self._storage))
        problems: list[str] = []

        def guarded(question: Callable[[], Any]) -> Callable[[], Any]:
            """A damaged archive is a finding, not an answer that is missing."""

            def ask() -> Any:
                try:
                    return question()
                except StorageError as error:
                    problems.append(("damaged " if isinstance(error, StorageDamaged) else "") + str(error))
                    raise

            return ask

        questions = {
            "verdict": guarded(lambda: verdict(self._path, within_s * 0.8)),
            "depth": guarded(lambda: outbox.depth(now)),
            "waiting": guarded(lambda: outbox.waiting(SHOWN)),
            "buried": guarded(lambda: outbox.buried(SHOWN)),
            "last": guarded(lambda: checkup.last_event(OWN_TEST)),
            "doubled": guarded(lambda: checkup.people_with_several_chats(SHOWN)),
            "portal": guarded(lambda: self._archive.fact("portal")),
            "bots": guarded(lambda: self._archive.fact("bots")),
            "counts": guarded(self._archive.counts),
            "traffic": guarded(self._traffic),
            "accounts": guarded(self._accounts),
            "totals": guarded(lambda: report.totals(0, int(now) - AT_REST_S)),
        }
        found = together(questions, within_s)
        self._is_asked = len(found) + len(problems) < len(questions)
        aside = tuple(sorted(path.name for path in self._path.parent.glob(f"{self._path.name}.unreadable-*")))
        return replace(_state(found, problems, now), set_aside=aside)


def _state(found: dict[str, Any], problems: list[str], now: float) -> ArchiveState:
    damaged = next((text.removeprefix("damaged ") for text in problems if text.startswith("damaged ")), None)
    depth, last, counts = found.get("depth"), found.get("last"), found.get("counts") or {}
    traffic, newest_at = found.get("traffic") or (None, None)
    held_back = [job for job in found.get("waiting", []) if job.last_error]
    return ArchiveState(
        True,
        verdict=damaged if damaged and found.get("verdict") in (None, "ok") else found.get("verdict"),
        problem=problems[0] if problems else "",
        waiting=sum(depth.waiting.values()) if depth else 0,
        oldest_s=now - depth.oldest_waiting_at if depth and depth.oldest_waiting_at else None,
        last_error=held_back[0].last_error if held_back else "",
        buried=tuple(Buried(each.job.kind, each.job.last_error or "") for each in found.get("buried", [])),
        last_event=last[0] if last else "",
        last_event_s=now - last[1] if last else None,
        bot_id=_number((found.get("portal") or {}).get("bot_id")),
        bot_ids=tuple((int(bot_id), int(at)) for bot_id, at in found.get("bots") or []),
        doubled=tuple(found.get("doubled", [])),
        dialogs=counts.get("dialogs", 0),
        complete=counts.get("complete_dialogs", 0),
        accounts=found.get("accounts", ()),
        traffic=traffic,
        traffic_s=now - newest_at if newest_at else None,
        gaps=sum(_number((found.get("totals") or {}).get(name)) for name in GAPS),
    )


def _number(value: Any) -> int:
    with suppress(TypeError, ValueError):
        return int(value)
    return 0
