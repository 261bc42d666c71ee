"""The table from event name to reader. An event that is not in it is kept, counted and answered 200."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from . import bot_events, bot_events_v2, line_events
from .event_types import AppInstalled, AppTested, AppUninstalled, Event
from .payload import Node, number

Reader = Callable[[Node, int], list[Event]]


def read_event(name: str, data: Any, ts: int) -> list[Event] | None:
    """The typed events of one request; None when the name is unknown. Raises BadEvent when an id is missing.

    `data`: the `data` member as it came, usually nested dicts, for one event a scalar. `ts`: Unix seconds.
    """
    reader = READERS.get(name)
    if reader is None:
        return None
    return reader(Node(data if isinstance(data, dict | list) else {"value": data}), ts)


def event_time(tree: dict[str, Any], now: float) -> int:
    """The portal's `ts`, or our own clock when it is absent."""
    return number(tree.get("ts")) or int(now)


def app_install(data: Node, ts: int) -> list[Event]:
    return [AppInstalled()]


def app_uninstall(data: Node, ts: int) -> list[Event]:
    return [AppUninstalled(clean=data.yes("CLEAN"))]


def app_test(data: Node, ts: int) -> list[Event]:
    query = data.node("QUERY")
    return [AppTested(query.text("nonce", "NONCE"))]


READERS: Final[dict[str, Reader]] = {
    "ONAPPINSTALL": app_install,
    "ONAPPUPDATE": app_install,
    "ONAPPUNINSTALL": app_uninstall,
    "ONAPPTEST": app_test,
    "ONAPPPAYMENT": bot_events.noted,
    "ONAPPMETHODCONFIRM": bot_events.noted,
    "ONIMBOTJOINCHAT": bot_events.join,
    "ONIMBOTMESSAGEADD": bot_events.message_add,
    "ONIMBOTMESSAGEUPDATE": bot_events.message_update,
    "ONIMBOTMESSAGEDELETE": bot_events.message_delete,
    "ONIMBOTDELETE": bot_events.bot_delete,
    "ONIMCOMMANDADD": bot_events.command,
    "ONIMBOTCONTEXTGET": bot_events.noted,
    "ONIMBOTV2JOINCHAT": bot_events_v2.join,
    "ONIMBOTV2MESSAGEADD": bot_events_v2.message_add,
    "ONIMBOTV2MESSAGEUPDATE": bot_events_v2.message_update,
    "ONIMBOTV2MESSAGEDELETE": bot_events_v2.message_delete,
    "ONIMBOTV2DELETE": bot_events.bot_delete,
    "ONIMBOTV2COMMANDADD": bot_events_v2.message_add,
    "ONIMBOTV2CONTEXTGET": bot_events.noted,
    "ONIMBOTV2REACTIONCHANGE": bot_events.noted,
    "ONSESSIONSTART": line_events.session_start,
    "ONSESSIONFINISH": line_events.session_finish,
    "ONOPENLINEMESSAGEADD": line_events.line_message,
    "ONOPENLINEMESSAGEUPDATE": line_events.line_message_update,
    "ONOPENLINEMESSAGEDELETE": line_events.line_message_delete,
    "ONIMCONNECTORMESSAGEADD": line_events.connector_message,
    "ONIMCONNECTORMESSAGEUPDATE": line_events.connector_message_update,
    "ONIMCONNECTORMESSAGEDELETE": line_events.connector_message_delete,
    "ONIMCONNECTORDIALOGSTART": line_events.session_start,
    "ONIMCONNECTORDIALOGFINISH": line_events.session_finish,
    "ONIMCONNECTORSTATUSDELETE": line_events.connector_stop,
    "ONIMCONNECTORLINEDELETE": line_events.line_delete,
}
