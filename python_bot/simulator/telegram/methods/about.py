"""The bot itself, its commands, and files."""

from __future__ import annotations

import re
from typing import Any

from ..core import Core
from ..errors import bad_request
from ..files import MAX_DOWNLOAD
from ..model import Bot
from ..params import Params

MAX_COMMANDS = 100
_COMMAND = re.compile(r"[a-z0-9_]{1,32}")


def get_me(core: Core, bot: Bot, params: Params) -> dict[str, Any]:
    return bot.user() | {
        "can_join_groups": True,
        "can_read_all_group_messages": not bot.privacy,
        "supports_inline_queries": False,
        "can_connect_to_business": False,
        "has_main_web_app": False,
        "has_topics_enabled": bot.has_topics,
        "allows_users_to_create_topics": False,
    }


def log_out(core: Core, bot: Bot, params: Params) -> bool:
    return True


def set_my_commands(core: Core, bot: Bot, params: Params) -> bool:
    commands = params.list("commands")
    if commands is None:
        raise bad_request('parameter "commands" is required')
    if len(commands) > MAX_COMMANDS:
        raise bad_request("too many commands specified")
    for command in commands:
        if not isinstance(command, dict) or not _COMMAND.fullmatch(str(command.get("command", "")).lstrip("/")):
            raise bad_request("BOT_COMMAND_INVALID")
        if not 1 <= len(str(command.get("description", ""))) <= 256:
            raise bad_request("BOT_COMMAND_DESCRIPTION_INVALID")
    bot.commands[_scope(params)] = [
        {"command": command["command"].lstrip("/"), "description": command["description"]} for command in commands
    ]
    return True


def get_my_commands(core: Core, bot: Bot, params: Params) -> list[dict[str, str]]:
    return bot.commands.get(_scope(params), [])


def delete_my_commands(core: Core, bot: Bot, params: Params) -> bool:
    bot.commands.pop(_scope(params), None)
    return True


def _scope(params: Params) -> str:
    scope = params.object("scope") or {"type": "default"}
    return f"{scope.get('type')} {scope.get('chat_id', '')} {params.text('language_code')}"


def get_file(core: Core, bot: Bot, params: Params) -> dict[str, Any]:
    file_id = params.text("file_id")
    if not file_id:
        raise bad_request("file_id not specified")
    stored = core.files.get(file_id)
    if stored is None or stored.bot_id != bot.id:
        raise bad_request("wrong file_id or the file is temporarily unavailable")
    if core.local:
        place = core.folder / bot.token / stored.path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(stored.content)
        return stored.wire() | {"file_path": str(place)}
    if stored.size > MAX_DOWNLOAD:
        raise bad_request("file is too big")
    return stored.wire() | {"file_path": stored.path}


METHODS = {
    "getMe": get_me,
    "logOut": log_out,
    "close": log_out,
    "getFile": get_file,
    "setMyCommands": set_my_commands,
    "getMyCommands": get_my_commands,
    "deleteMyCommands": delete_my_commands,
}
