"""`im.user.list.get`: who is behind a user's number. Pure reading.

https://apidocs.bitrix24.com/api-reference/chats/users/im-user-list-get.html ; works for clients (connector users) too.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from ..model import User
from .client import Command
from .payload import Node, classify

ASK_LIMIT: Final = 50  # people a request


def command(user_ids: Sequence[int]) -> Command:
    return Command("im.user.list.get", {"ID": list(user_ids), "RESULT_TYPE": "array"})


def read_users(result: Any) -> list[User]:
    """The named ones of a list, or of a map that holds null for whom the portal does not know."""
    return [user for node in Node(result).nodes() if (user := _user(node)).id and user.name]


def _user(node: Node) -> User:
    user_id = node.number("id") or 0
    return User(
        id=user_id,
        name=node.text("name"),
        kind=classify(
            user_id,
            system=False,
            connector=node.yes("connector") or node.text("external_auth_id") == "imconnector",
            bot=node.yes("bot"),
            client_id=None,
        ),
        first_name=node.text("first_name"),
        last_name=node.text("last_name"),
        work_position=node.text("work_position"),
    )
