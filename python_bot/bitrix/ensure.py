"""The portal brought into the state that the settings describe; safe to repeat at every start.

Bot registered once under the instance's code, handlers bound once, lines attached as asked, all read back. What
the portal does not allow becomes a plain problem in the report, and the rest goes on in the poorer mode.

Two requests a second are all that we may make, and somebody may be waiting for the end of an installation: what is to
be read goes in one request, what is to be written in another, with an outcome for each command of them.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import field
from functools import partial
from typing import Any, Final

from ..errors import CallRefused, PortalError
from ..model import Lines
from ..values import dataclass
from .client import BATCH_LIMIT, BitrixClient, Command
from .payload import Node, number

log = logging.getLogger(__name__)

BOUND_EVENTS: Final = (
    "ONAPPINSTALL",
    "ONAPPUPDATE",
    "ONAPPUNINSTALL",
    "ONAPPTEST",
    "ONSESSIONSTART",
    "ONSESSIONFINISH",
    "ONOPENLINEMESSAGEADD",
    "ONOPENLINEMESSAGEUPDATE",
    "ONOPENLINEMESSAGEDELETE",
)
BOT_WAIT_S: Final = 60  # after this the portal hands over by itself, should we be down

# One call must carry all five: a missing WELCOME_BOT_ENABLE resets the others to their defaults.
LINE_FIELDS: Final = (
    "WELCOME_BOT_ENABLE",
    "WELCOME_BOT_ID",
    "WELCOME_BOT_JOIN",
    "WELCOME_BOT_TIME",
    "WELCOME_BOT_LEFT",
)


@dataclass(frozen=True, slots=True)
class Wish:
    """The state that the settings describe. `bot_code`: unique to the instance, at most 40 characters."""

    public_url: str
    bot_code: str
    bot_name: str
    lines: Lines
    event_mode: str


@dataclass(slots=True)
class PortalState:
    """What the ensure routine found and did; kept as the fact 'portal' and shown by the status."""

    bot_id: int = 0
    bot_code: str = ""
    admin: bool | None = None
    event_mode: str = "webhook"
    handler: str = ""
    lines: dict[str, dict[str, str]] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


def ensure(client: BitrixClient, wish: Wish, known_bot_id: int, nonce: str, known_mode: str = "") -> PortalState:
    """`known_bot_id`, `known_mode`: of the last time, 0 and '' before the first.

    Raises PortalUnavailable or NotAuthorized when the portal cannot be asked now; refusals become problems.
    """
    state = PortalState(event_mode=wish.event_mode, handler=wish.public_url)
    found = _look(client, wish, known_bot_id)
    _profile(found, state)
    if known_bot_id and known_mode not in ("", wish.event_mode):
        _unregister(client, known_bot_id, known_mode)
    if wish.event_mode == "fetch":
        _register_fetching_bot(client, wish, state)
    else:
        _register_bot(client, wish, state, known_bot_id, found)
    bindings = _bindings(found, wish, state) if wish.event_mode == "webhook" else []
    chosen = _lines_to_attach(found, wish, state, known_bot_id) if state.bot_id else []
    outcomes = _all(client, [*bindings, *_attachments(chosen, state.bot_id)])
    _bound(state, bindings, outcomes)
    _attached(state, chosen, outcomes[len(bindings) :])
    if wish.event_mode == "webhook":
        _attempt(state, "event.test", lambda: client.call("event.test", {"nonce": nonce}))
    return state


def _look(client: BitrixClient, wish: Wish, known_bot_id: int) -> dict[str, Any]:
    """Method -> its result, or the PortalError it ended in: how the portal is before anything is changed."""
    commands = [Command("profile")]
    if wish.event_mode == "webhook":
        commands.append(Command("event.get"))
        if known_bot_id:
            commands.append(Command("imbot.bot.list"))
    if wish.lines.all or wish.lines.ids:
        commands.append(Command("imopenlines.config.list.get", {"PARAMS": {}}))
    outcomes = client.batch(commands)
    return {command.method: outcome for command, outcome in zip(commands, outcomes, strict=True)}


def _all(client: BitrixClient, commands: Sequence[Command]) -> list[Any]:
    """The outcomes of all of them, in their order."""
    outcomes: list[Any] = []
    for start in range(0, len(commands), BATCH_LIMIT):
        outcomes += client.batch(commands[start : start + BATCH_LIMIT])
    return outcomes


def _attempt(state: PortalState, what: str, action: Callable[[], Any], advice: str = "") -> Any:
    """The action's value; a refusal becomes a problem of the report and None."""
    try:
        return action()
    except CallRefused as refusal:
        return _value(state, what, refusal, advice)


def _value(state: PortalState, what: str, outcome: Any, advice: str = "") -> Any:
    """The same for what a batch brought. Raises the errors that pass."""
    if not isinstance(outcome, PortalError):
        return outcome
    if not isinstance(outcome, CallRefused) or outcome.is_passing:
        raise outcome
    problem = f"{what}: {outcome.code}" + (f" ({advice})" if advice else "")
    state.problems.append(problem)
    log.warning("the portal refused %s", problem)
    return None


def _profile(found: Mapping[str, Any], state: PortalState) -> None:
    profile = _value(state, "profile", found["profile"])
    if isinstance(profile, dict) and "ADMIN" in profile:
        state.admin = Node(profile).yes("ADMIN")
        if not state.admin:
            state.problems.append(
                "the application was installed by an employee who is no administrator: lines and history may be refused"
            )


# --- the bot -------------------------------------------------------------------------------------------------


def _unregister(client: BitrixClient, bot_id: int, mode: str) -> None:
    """The bot of the other mode goes: hand-overs work through the application's first bot."""
    method, params = ("imbot.unregister", {"BOT_ID": bot_id})
    if mode == "fetch":
        method, params = ("imbot.v2.Bot.unregister", {"botId": bot_id})
    try:
        client.call(method, params)
    except CallRefused as refusal:
        if refusal.is_passing:
            raise
        log.info("the bot %d of the former mode was gone already: %s", bot_id, refusal.code)


def _register_bot(
    client: BitrixClient, wish: Wish, state: PortalState, known_bot_id: int, found: Mapping[str, Any]
) -> None:
    for code in (wish.bot_code, _other_code(wish)):
        bot_id = number(_attempt(state, "imbot.register", partial(client.call, "imbot.register", _bot(wish, code))))
        if not bot_id:
            return
        try:
            if bot_id != known_bot_id or _registered_name(found["imbot.bot.list"], bot_id) != wish.bot_name:
                # Registering again never renames; and only the owner may update, which unmasks a foreign bot.
                fields = {"PROPERTIES": {"NAME": wish.bot_name}}
                client.call("imbot.update", {"BOT_ID": bot_id, "FIELDS": fields})
        except CallRefused as refusal:
            if refusal.is_passing:
                raise
            if refusal.code == "APP_ID_ERROR":
                continue  # the code belongs to another application of this portal
            state.problems.append(f"imbot.update: {refusal.code}")
        state.bot_id, state.bot_code = bot_id, code
        return
    state.problems.append("imbot.register: every code of this instance belongs to another application")


def _bot(wish: Wish, code: str) -> dict[str, Any]:
    return {
        "CODE": code,
        "TYPE": "O",
        "OPENLINE": "Y",
        "EVENT_HANDLER": wish.public_url,
        "PROPERTIES": {"NAME": wish.bot_name, "COLOR": "GRAPHITE", "WORK_POSITION": "Архив открытых линий"},
    }


def _other_code(wish: Wish) -> str:
    return f"{wish.bot_code}_{hashlib.sha256(wish.public_url.encode()).hexdigest()[:8]}"


def _registered_name(bots: Any, bot_id: int) -> str:
    if isinstance(bots, PortalError):
        raise bots
    return next((b.text("NAME") for b in Node(bots).nodes() if b.number("ID") == bot_id), "")


def _register_fetching_bot(client: BitrixClient, wish: Wish, state: PortalState) -> None:
    """https://apidocs.bitrix24.com/api-reference/chat-bots/chat-bots-v2/imbot.v2/bots/bot-register.html"""
    properties = {"name": wish.bot_name, "workPosition": "Архив открытых линий"}
    fields = {"code": wish.bot_code, "properties": properties, "type": "openline", "eventMode": "fetch"}
    answer = _attempt(
        state,
        "imbot.v2.Bot.register",
        lambda: client.call("imbot.v2.Bot.register", {"fields": fields}),
        "this portal may be too old for the fetch mode: use B24BOT_EVENT_MODE=webhook",
    )
    bot = Node(answer).node("bot")
    state.bot_id, state.bot_code = bot.number("id") or 0, bot.text("code") or wish.bot_code
    if state.bot_id and bot.node("properties").text("name") not in ("", wish.bot_name):
        change = {"botId": state.bot_id, "fields": {"properties": properties}}
        _attempt(state, "imbot.v2.Bot.update", lambda: client.call("imbot.v2.Bot.update", change))


# --- events --------------------------------------------------------------------------------------------------


def _bindings(found: Mapping[str, Any], wish: Wish, state: PortalState) -> list[Command]:
    """Bind what is missing, then take away our bindings to a former URL: twice is harmless, never would be a loss."""
    rows = _value(state, "event.get", found["event.get"])
    bound = {(row.text("event").upper(), row.text("handler")) for row in Node(rows).nodes()}
    handler = wish.public_url
    missing = [event for event in BOUND_EVENTS if (event, handler) not in bound]
    former = [(event, url) for event, url in sorted(bound) if event in BOUND_EVENTS and url != handler]
    return [
        *(Command("event.bind", {"event": event, "handler": handler}) for event in missing),
        *(Command("event.unbind", {"event": event, "handler": url}) for event, url in former),
    ]


def _bound(state: PortalState, bindings: Sequence[Command], outcomes: Sequence[Any]) -> None:
    for command, outcome in zip(bindings, outcomes, strict=False):
        if isinstance(outcome, CallRefused) and outcome.is_passing:
            raise outcome
        if isinstance(outcome, CallRefused) and not _harmless(outcome):
            state.problems.append(f"{command.method} {command.params['event']}: {outcome.code}")
        elif isinstance(outcome, PortalError) and not isinstance(outcome, CallRefused):
            raise outcome


def _harmless(refusal: CallRefused) -> bool:
    """Bound already, or an event that this portal's build does not have."""
    return refusal.code == "ERROR_EVENT_NOT_FOUND" or "already" in refusal.description.lower()


# --- lines ---------------------------------------------------------------------------------------------------


def wanted_fields(bot_id: int) -> dict[str, str]:
    return dict(zip(LINE_FIELDS, ("Y", str(bot_id), "always", str(BOT_WAIT_S), "close"), strict=True))


def _lines_to_attach(found: Mapping[str, Any], wish: Wish, state: PortalState, former_bot_id: int) -> list[int]:
    if not wish.lines.all and not wish.lines.ids:
        return []
    rows = _value(state, "imopenlines.config.list.get", found["imopenlines.config.list.get"])
    lines = {line_id: row for row in Node(rows).nodes() if (line_id := row.number("ID"))}
    wanted = wanted_fields(state.bot_id)
    chosen: list[int] = []
    for line_id, row in lines.items():
        if not wish.lines.all and line_id not in wish.lines.ids:
            continue
        now = "attached" if _matches(row, wanted) else _obstacle(wish, row, (0, state.bot_id, former_bot_id))
        state.lines[str(line_id)] = {"name": row.text("LINE_NAME"), "state": now or "attaching"}
        if not now:
            chosen.append(line_id)
    for line_id in wish.lines.ids:
        if line_id not in lines:
            state.problems.append(f"line {line_id}: the portal has no such line")
    return chosen


def _obstacle(wish: Wish, row: Node, ours: tuple[int, ...]) -> str:
    """'other bot' when all lines are wanted and this one is served by another bot, which we do not evict."""
    other = row.number("WELCOME_BOT_ID") or 0
    taken = row.yes("WELCOME_BOT_ENABLE") and other not in ours
    return "other bot" if wish.lines.all and taken else ""


def _matches(row: Node, wanted: dict[str, str]) -> bool:
    return all(row.text(name) == value for name, value in wanted.items())


def _attachments(line_ids: Sequence[int], bot_id: int) -> list[Command]:
    """Write the five fields and read them back: `true` alone does not mean that the portal kept them."""
    wanted = wanted_fields(bot_id)
    return [
        command
        for line_id in line_ids
        for command in (
            Command("imopenlines.config.update", {"CONFIG_ID": line_id, "PARAMS": wanted}),
            Command("imopenlines.config.get", {"CONFIG_ID": line_id}),
        )
    ]


def _attached(state: PortalState, line_ids: Sequence[int], outcomes: Sequence[Any]) -> None:
    wanted = wanted_fields(state.bot_id)
    for line_id, written, read in zip(line_ids, outcomes[::2], outcomes[1::2], strict=True):
        line = state.lines[str(line_id)]
        if isinstance(written, CallRefused) and not written.is_passing:
            line["state"] = "refused"
            advice = (
                "the installer may not change open lines: attach the bot by hand in the line's settings, "
                "or let an administrator install the application"
                if written.code == "CONFIG_WRONG_USER_PERMISSION"
                else written.description
            )
            state.problems.append(f"line {line_id}: {written.code} ({advice})")
        elif isinstance(written, PortalError):
            raise written
        elif _matches(Node(read), wanted):
            line["state"] = "attached"
        else:
            line["state"] = "not kept"
            state.problems.append(f"line {line_id}: the portal did not keep the settings of the bot")


def read_lines(client: BitrixClient, bot_id: int) -> dict[int, dict[str, str]]:
    """Every line of the portal with its name and the state of our bot there: attached, other bot, or no bot.

    Raises PortalUnavailable, NotAuthorized or CallRefused.
    """
    rows = client.call("imopenlines.config.list.get", {"PARAMS": {}})
    return {
        line_id: {"name": row.text("LINE_NAME"), "state": _serving(row, bot_id)}
        for row in Node(rows).nodes()
        if (line_id := row.number("ID"))
    }


def _serving(row: Node, bot_id: int) -> str:
    if not row.yes("WELCOME_BOT_ENABLE") or not row.number("WELCOME_BOT_ID"):
        return "no bot"
    return "attached" if bot_id and row.number("WELCOME_BOT_ID") == bot_id else "other bot"


def detach(client: BitrixClient, bot_id: int, line_ids: Sequence[int]) -> dict[int, str]:
    """Take our bot off these lines, and only ours; each line's state as read back:

    no bot (it is off), other bot (left alone), no such line, refused: CODE, not kept.
    Raises PortalUnavailable or NotAuthorized; lines before that are done, and all of it can be repeated.
    """
    return {line_id: _detach(client, bot_id, line_id) for line_id in line_ids}


def _detach(client: BitrixClient, bot_id: int, line_id: int) -> str:
    try:
        found = Node(client.call("imopenlines.config.get", {"CONFIG_ID": line_id}))
        if not found.number("ID"):
            return "no such line"
        if _serving(found, bot_id) != "attached":
            return _serving(found, bot_id)
        client.call("imopenlines.config.update", {"CONFIG_ID": line_id, "PARAMS": {"WELCOME_BOT_ENABLE": "N"}})
        after = _serving(Node(client.call("imopenlines.config.get", {"CONFIG_ID": line_id})), bot_id)
        return "not kept" if after == "attached" else after
    except CallRefused as refusal:
        return f"refused: {refusal.code}"
