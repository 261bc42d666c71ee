"""Which happenings are worth a delivery of their own. Pure.

A delivery shows the archive as it is when it is sent. So a change that nobody made by hand (a name became known, a
time was repaired, a file was stored) needs none beside another one of the same message; edits and deletions always
have their own.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Final

from ..values import dataclass

EDITED: Final = "message.edited"  # another text; told as message.updated
TOLD_AS: Final = {EDITED: "message.updated"}


@dataclass(frozen=True, slots=True)
class Happening:
    id: int
    event: str
    chat_id: int
    message_id: int | None
    at: int


def worth_telling(rows: Sequence[Happening], events: Collection[str]) -> list[Happening]:
    """What a subscriber of these events is to be told of `rows`, in their order.

    Whether a dialog is complete is known when its rows are dealt, so it is told once, after everything else of it.
    """
    wanted = [row for row in rows if TOLD_AS.get(row.event, row.event) in events]
    # Whoever does not want to know of new messages needs no word about what belonged to their coming either.
    told = {row.message_id for row in rows if row.event == "message.created"}
    told |= {row.message_id for row in wanted if row.event in (EDITED, "message.deleted")}
    found: list[Happening] = []
    complete: dict[int, Happening] = {}
    for row in wanted:
        if row.event == "dialog.complete":
            complete[row.chat_id] = row
        elif row.event != "message.updated":
            found.append(replace(row, event=TOLD_AS.get(row.event, row.event)))
        elif row.message_id not in told:
            told.add(row.message_id)
            found.append(row)
    return [*found, *complete.values()]
