"""How the instance is: findings of the doctor, the queue, webhooks; what can be tried again. For administrators."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from flask import Blueprint, redirect, request
from werkzeug.wrappers import Response as AnyResponse

from ...channels.base import Account
from ...model import BuriedJob
from ...staff.texts import Language
from ...subscriptions import Subscription
from ...traffic import Entry
from ...values import dataclass
from .frame import Frame
from .refusal import Refused

SHOWN: Final = 50
EVENTS: Final = 10


@dataclass(frozen=True, slots=True)
class Care:
    """What the page tells and does. `status`, `diagnosis`: JSON values; `behind`: sessions that wait to be compared.

    `events`: the newest of the portal, of the journal. `forget_diagnosis`: what was found is out of date.
    `acts`: by name, what a button does; `numbered`: the same for
    one thing, by its number; False when it is not there (any more).
    """

    status: Callable[[], dict[str, Any]]
    diagnosis: Callable[[Language], dict[str, Any]]
    behind: Callable[[], int]
    buried: Callable[[int], list[BuriedJob]]
    webhooks: Callable[[], list[Subscription]]
    accounts: Callable[[], list[Account]]
    events: Callable[[int], list[Entry]]
    forget_diagnosis: Callable[[], None]
    acts: Mapping[str, Callable[[], object]]
    numbered: Mapping[str, Callable[[int], bool]]


def put_on(ui: Blueprint, frame: Frame, care: Care) -> None:
    @ui.get("/health")
    def health() -> AnyResponse:
        if (turned_away := frame.admit()) is not None:
            return turned_away
        frame.require("admin")
        status = care.status()
        done = request.args.get("done", "")
        portal = status["portal"] or {}
        lines = portal.get("lines")
        return frame.show(
            "health.html",
            section="health",
            state=status,
            found=care.diagnosis(frame.language()),
            behind=care.behind(),
            buried=care.buried(SHOWN),
            webhooks=[(each, urlsplit(each.url).hostname or "") for each in care.webhooks()],
            accounts=care.accounts(),
            lines=lines if isinstance(lines, dict) else {},
            events=care.events(EVENTS),
            done=done if done in (*care.acts, *care.numbered) else "",
        )

    @ui.post("/health/<act>")
    def do(act: str) -> AnyResponse:
        if (turned_away := frame.admit()) is not None:
            return turned_away
        frame.require("admin")
        number = request.form.get("id", "")
        if act in care.numbered and number.isascii() and number.isdigit() and len(number) < 19:
            if not care.numbered[act](int(number)):
                raise Refused(404, "not_found")
        elif act in care.acts:
            care.acts[act]()
        else:
            raise Refused(404, "not_found")
        care.forget_diagnosis()
        return redirect(f"{frame.base}/health?done={act}", 303)
