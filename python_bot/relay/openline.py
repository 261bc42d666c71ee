"""imconnector.*: an account as a connector of an open line. Nothing else in this program knows these methods.

https://apidocs.bitrix24.com/api-reference/imopenlines/imconnector/ . The keys of MESSAGES go in lower case, those
around them in upper case. The outer SUCCESS says nothing about the single messages: each has its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final
from urllib.parse import quote

from .. import bbcode
from ..bitrix.client import BitrixClient, Command
from ..bitrix.payload import Node
from ..channels.base import Incoming, Person
from ..channels.store import Chat, Held
from ..errors import CallRefused, PortalUnavailable

EVENTS: Final = (
    "ONIMCONNECTORMESSAGEADD",
    "ONIMCONNECTORMESSAGEUPDATE",
    "ONIMCONNECTORMESSAGEDELETE",
    "ONIMCONNECTORDIALOGSTART",
    "ONIMCONNECTORDIALOGFINISH",
    "ONIMCONNECTORSTATUSDELETE",
    "ONIMCONNECTORLINEDELETE",
)
NOT_CONNECTED: Final = frozenset({"NOT_ACTIVE_LINE", "IMCONNECTOR_NOT_SPECIFIED_CORRECT_CONNECTOR"})
SYSTEM_USER: Final = 0  # whose words are the team's, written elsewhere, and no client's
_ICON: Final = (
    "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 24 24'><path fill='#fff' d='M4 4h16v12H8l-4 4z'/></svg>"
)


def connector_id(instance: str, channel: str, account_id: int) -> str:
    """'shop-1', 'telegram', 2 -> 'b24bot_shop_1_telegram2': what the portal allows, unique to the account."""
    return f"b24bot_{instance.replace('-', '_')}_{channel}{account_id}"


class OpenLine:
    """`handler`: where the portal sends connectors' events; `page`: what it opens as their settings."""

    def __init__(self, client: BitrixClient, handler: str, page: str) -> None:
        self._client = client
        self._handler = handler
        self._page = page

    # --- connecting

    def connect(self, held: Held, title: str) -> dict[str, Any]:
        """Register, bind, activate, introduce, read back; what the portal says of it. Raises PortalError.

        Repeats safely: a second registration is an update.
        """
        account, connector = held.account, held.connector_id
        commands = [Command("imconnector.register", self._registration(held, title))]
        commands += [Command("event.bind", {"event": event, "handler": self._handler}) for event in EVENTS]
        if account.line_id is not None:
            place = {"CONNECTOR": connector, "LINE": account.line_id}
            identity = account.identity
            data = {"ID": identity.external_id, "NAME": identity.name, "URL": identity.url, "URL_IM": identity.url}
            known = {name: value for name, value in data.items() if value}
            commands += [
                Command("imconnector.activate", {**place, "ACTIVE": 1}),
                Command("imconnector.connector.data.set", {**place, "DATA": known}),
                Command("imconnector.status", place),
            ]
        registered, *answers = self._client.batch(commands)
        for answer in (registered, *answers):
            if isinstance(answer, Exception) and not _is_bound(answer):
                raise answer
        refusal = Node(registered)  # those of registration come as an ordinary answer
        if refusal.text("error"):
            raise CallRefused("imconnector.register", refusal.text("error"), refusal.text("error_description"))
        if account.line_id is None:
            return {}
        found = Node(answers[-1])
        return {"configured": found.yes("CONFIGURED"), "works": found.yes("STATUS"), "error": found.yes("ERROR")}

    def _registration(self, held: Held, title: str) -> dict[str, Any]:
        return {
            "ID": held.connector_id,
            "NAME": f"{title}: {held.account.identity.name}",
            "ICON": {"DATA_IMAGE": f"data:image/svg+xml,{quote(_ICON)}", "COLOR": "#3aa6dd"},
            "PLACEMENT_HANDLER": self._page,
            "NEED_SYSTEM_MESSAGES": "N",
            "NEED_SIGNATURE": "Y" if held.account.options.get("signature", True) else "N",
            "DEL_EXTERNAL_MESSAGES": "Y",
            "EDIT_INTERNAL_MESSAGES": "Y",
            "DEL_INTERNAL_MESSAGES": "Y",
            "NEWSLETTER": "N",
        }

    def leave(self, held: Held, line_id: int) -> None:
        """Take the connector off a line. A connector or line that is gone is success."""
        try:
            self._client.call("imconnector.activate", {"CONNECTOR": held.connector_id, "LINE": line_id, "ACTIVE": 0})
        except CallRefused as refusal:
            if refusal.is_passing:
                raise

    def unregister(self, connector: str) -> None:
        """The connector goes with its account. One that is gone is success."""
        try:
            self._client.call("imconnector.unregister", {"ID": connector})
        except CallRefused as refusal:
            if refusal.is_passing:
                raise

    # --- what was said

    def send(self, connector: str, line_id: int, items: Sequence[Mapping[str, Any]]) -> list[tuple[int, str]]:
        """For each message the portal's chat and '' when it took it, else the reason. Raises PortalError."""
        params = {"CONNECTOR": connector, "LINE": line_id, "MESSAGES": list(items)}
        rows = Node(self._client.call("imconnector.send.messages", params)).node("DATA").node("RESULT").nodes()
        if len(rows) != len(items):
            raise PortalUnavailable(f"imconnector.send.messages answered for {len(rows)} of {len(items)} messages")
        return [_outcome(row) for row in rows]

    def update(self, connector: str, line_id: int, items: Sequence[Mapping[str, Any]]) -> None:
        self._client.call(
            "imconnector.update.messages", {"CONNECTOR": connector, "LINE": line_id, "MESSAGES": list(items)}
        )

    def delete(self, connector: str, line_id: int, items: Sequence[Mapping[str, Any]]) -> None:
        self._client.call(
            "imconnector.delete.messages", {"CONNECTOR": connector, "LINE": line_id, "MESSAGES": list(items)}
        )

    def report(self, connector: str, line_id: int, status: str, items: Sequence[Mapping[str, Any]]) -> None:
        """`status`: 'delivered' or 'read'."""
        method = "imconnector.send.status.delivery" if status == "delivered" else "imconnector.send.status.reading"
        self._client.call(method, {"CONNECTOR": connector, "LINE": line_id, "MESSAGES": list(items)})

    def external_ids(self, portal_chat_id: int) -> set[str]:
        """The messengers' numbers of the messages in a chat's latest session. Raises PortalError."""
        history = Node(self._client.call("imopenlines.session.history.get", {"CHAT_ID": portal_chat_id}))
        found: set[str] = set()
        for message in history.node("message").nodes():
            for name, value in message.node("params").raw.items():
                if str(name).replace("_", "").lower() == "connectormid":
                    found |= set(map(str, value if isinstance(value, list) else Node(value).raw.values()))
        return found


def _is_bound(answer: Exception) -> bool:
    """An event that is bound already is refused a second time, and that is success."""
    is_bind = isinstance(answer, CallRefused) and answer.method == "event.bind"
    return is_bind and "already" in str(answer).lower()


def _outcome(row: Node) -> tuple[int, str]:
    chat_id = row.node("session").number("CHAT_ID") or 0
    if row.yes("SUCCESS") or row.raw.get("SUCCESS") is True:
        return chat_id, ""
    errors = [str(error.get("message", error) if isinstance(error, dict) else error) for error in _list(row)]
    return chat_id, "; ".join(errors) or "the portal did not take the message and gave no reason"


def _list(row: Node) -> list[Any]:
    errors = row.raw.get("ERRORS")
    return errors if isinstance(errors, list) else list(Node(errors).raw.values())


# --- the shapes of MESSAGES


def new_message(group: Sequence[Incoming], chat: Chat | None, file_urls: Sequence[str]) -> dict[str, Any]:
    """One message of the portal out of one of the messenger's, or out of the parts of an album."""
    first = group[0]
    message: dict[str, Any] = {
        "id": first.message_id,
        "date": first.sent_at,
        "text": "\n".join(shown_text(item) for item in group if item.text),
    }
    files = [file for item in group for file in item.files]
    if files:
        message["files"] = [{"url": url, "name": file.name} for file, url in zip(files, file_urls, strict=True)]
    if first.by != "client":
        message["user_id"] = SYSTEM_USER
    return {"user": user_of(first, chat), "message": message, "chat": chat_of(first, chat)}


def shown_text(item: Incoming) -> str:
    """What people outside type is no BB code: it could put words into an operator's mouth, or hide an address."""
    return item.text if item.by == "system" else bbcode.disarmed(item.text)


def changed_message(item: Incoming, chat: Chat | None, shown_as: str) -> dict[str, Any]:
    """For update and delete; `shown_as`: under which number the portal knows it."""
    message = {"id": shown_as, "date": item.sent_at, **({"text": shown_text(item)} if item.change == "edit" else {})}
    return {"user": user_of(item, chat), "message": message, "chat": chat_of(item, chat)}


def status_item(
    portal_chat_id: int, portal_message_id: int, ids: Sequence[str], chat_id: str, at: int
) -> dict[str, Any]:
    """`message.id` has to be a list, or the portal shows the message as undelivered."""
    return {
        "im": {"chat_id": portal_chat_id, "message_id": portal_message_id},
        "message": {"id": list(ids), "date": at},
        "chat": {"id": chat_id},
    }


def user_of(item: Incoming, chat: Chat | None) -> dict[str, Any]:
    """Whose dialog it is: the client's, whoever wrote."""
    known = chat.person if chat is not None else None
    person = (known or Person(item.chat_id, chat.name if chat else "")) if item.by != "client" else item.sender
    if known is not None and item.by == "client" and not person.name:
        person = known
    found = {"id": person.id, "name": person.name, "last_name": person.last_name, "url": person.url}
    if person.phone:
        found |= {"phone": person.phone, "skip_phone_validate": "Y"}
    return {key: value for key, value in found.items() if value}


def chat_of(item: Incoming, chat: Chat | None) -> dict[str, Any]:
    name, url = item.chat_name or (chat.name if chat else ""), item.chat_url or (chat.url if chat else "")
    return {key: value for key, value in {"id": item.chat_id, "name": name, "url": url}.items() if value}
