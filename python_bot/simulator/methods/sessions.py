"""imopenlines.*: handing over, finishing, reading conversations of open lines."""

from __future__ import annotations

from typing import Any, Final

from .. import wire
from ..call import Ctx, Method, RestError, table
from ..history import session_history
from ..model import Bot, Chat, Session, User
from ..php import as_int, as_text, is_yes
from .imbot import owner_of

BOT_SCOPES: Final = "imopenlines+imbot"

# the bot's side


def bot_operator(ctx: Ctx) -> bool:
    chat = ctx.core.chats.get(_chat_id(ctx))
    if chat is None or not ctx.core.open_lines.end_bot_phase(chat, "rest"):
        raise RestError(400, "WRONG_CHAT", "Operator is not a bot")
    return True


def bot_transfer(ctx: Ctx) -> bool:
    chat_id, bot = _chat_id(ctx), _first_bot(ctx)
    user_id, line_id = _target(ctx)
    chat = ctx.core.chats.get(chat_id)
    user, line = ctx.core.users.get(user_id), ctx.core.lines.get(line_id)
    allowed = chat is not None and not chat.session.closed
    if chat is None or not allowed or not (line or (user and user.is_employee and user.active)):
        raise RestError(400, "OPERATOR_WRONG", "You can not redirect to this operator")
    if is_yes(ctx.params.get("LEAVE")):
        chat.bots.discard(bot.bot_id)
    speaker = ctx.core.users[bot.bot_id]
    if user is not None:
        ctx.core.open_lines.transfer_to_user(chat, user, speaker)
    elif line is not None:
        ctx.core.open_lines.transfer_to_line(chat, line, speaker)
    return True


def bot_finish(ctx: Ctx) -> bool:
    chat_id, bot = _chat_id(ctx), _first_bot(ctx)
    chat = ctx.core.chats.get(chat_id)
    if chat is None or bot.bot_id not in chat.bots:
        raise RestError(400, "BOT_ID_ERROR", "Bot not found")
    session = chat.session
    if session.bot_phase:
        session.bot_phase = False
    ctx.core.open_lines.finish(chat, "Чат-бот завершил диалог")
    return True


def bot_message_send(ctx: Ctx) -> bool:
    chat = ctx.core.chats.get(_chat_id(ctx))
    _first_bot(ctx)
    if chat is None:
        raise RestError(400, "CHAT_ID_EMPTY", "Chat ID can't be empty")
    text = ctx.text("MESSAGE") or ("Здравствуйте!" if ctx.text("NAME").upper() == "WELCOME" else "")
    if text:
        params = {"CLASS": "bx-messenger-content-item-ol-output"}
        ctx.core.open_lines.add_message(chat, 0, text, system=True, to_client=True, params=params)
    return True


# dialogs and sessions


def dialog_get(ctx: Ctx) -> dict[str, Any]:
    chat: Chat | None = None
    if ctx.params.get("CHAT_ID"):
        chat = ctx.core.chats.get(ctx.int("CHAT_ID"))
    elif ctx.params.get("DIALOG_ID"):
        chat = ctx.chat_of_dialog()
    elif ctx.params.get("SESSION_ID"):
        session = ctx.core.sessions.get(ctx.int("SESSION_ID"))
        chat = ctx.core.chats[session.chat_id] if session else None
    else:
        chat = ctx.core.chat_of_entity.get(ctx.text("USER_CODE").removeprefix("imol|"))
    if chat is None or not ctx.sees(chat):
        raise RestError(403, "ACCESS_ERROR", "You do not have access to the specified dialog")
    return wire.dialog_card(chat)


def history_get(ctx: Ctx) -> dict[str, Any]:
    if "SESSION_ID" not in ctx.params and "CHAT_ID" not in ctx.params:
        raise RestError(400, "MISSING_REQUIRED_PARAM", "Session ID or Chat ID must be provided")
    session: Session | None = None
    if "SESSION_ID" in ctx.params:
        if ctx.int("SESSION_ID") <= 0:
            raise RestError(400, "INVALID_SESSION_ID", "Session ID is invalid")
        session = ctx.core.sessions.get(ctx.int("SESSION_ID"))
    else:
        found = ctx.core.chats.get(ctx.int("CHAT_ID"))
        session = found.session if found else None
    chat = ctx.core.chats[session.chat_id] if session else None
    if session is None or chat is None or not (ctx.is_admin() or session.operator_id == ctx.user.user_id):
        raise RestError(400, "ACCESS_DENIED", "You cannot open this conversation")
    return session_history(ctx.core, chat, session)


def session_open(ctx: Ctx) -> dict[str, str]:
    chat = ctx.core.chat_of_entity.get(ctx.text("USER_CODE").removeprefix("imol|"))
    if chat is None or not ctx.sees(chat):
        raise RestError(403, "ACCESS_DENIED", "Access denied")
    return {"chatId": str(chat.chat_id)}


def session_join(ctx: Ctx) -> bool:
    chat = ctx.core.chats.get(_chat_id(ctx))
    if chat is None or not ctx.sees(chat):
        raise RestError(403, "ACCESS_DENIED", "Access denied")
    chat.members.add(ctx.user.user_id)
    return True


# the operator's side


def operator_answer(ctx: Ctx) -> bool:
    ctx.core.open_lines.answer(_operator_chat(ctx), ctx.user)
    return True


def operator_finish(ctx: Ctx) -> bool:
    chat = _operator_chat(ctx)
    ctx.core.open_lines.finish(chat, f"[USER={ctx.user.user_id}]{ctx.user.name}[/USER] завершил(а) диалог")
    return True


def operator_transfer(ctx: Ctx) -> bool:
    chat = _operator_chat(ctx)
    user_id, line_id = _target(ctx)
    user, line = ctx.core.users.get(user_id), ctx.core.lines.get(line_id)
    if user is not None and user.is_employee and user.active:
        ctx.core.open_lines.transfer_to_user(chat, user, ctx.user)
    elif line is not None:
        ctx.core.open_lines.transfer_to_line(chat, line, ctx.user)
    else:
        raise RestError(400, "OPERATOR_WRONG", "You can not redirect to this operator")
    return True


def revision(ctx: Ctx) -> dict[str, int]:
    return {"rest": 3, "web": 1, "mobile": 1}


def _chat_id(ctx: Ctx) -> int:
    if not ctx.int("CHAT_ID"):
        raise RestError(400, "CHAT_ID_EMPTY", "Chat ID can't be empty")
    return ctx.int("CHAT_ID")


def _first_bot(ctx: Ctx) -> Bot:
    """The bot of the application: always its first one."""
    bots = ctx.core.bots_of(owner_of(ctx))
    if not bots:
        raise RestError(400, "BOT_ID_ERROR", "Bot not found")
    return bots[0]


def _target(ctx: Ctx) -> tuple[int, int]:
    """(user id, line id) of a transfer, one of them 0."""
    if "TRANSFER_ID" in ctx.params:
        target = as_text(ctx.params["TRANSFER_ID"])
        if not target:
            raise RestError(400, "TRANSFER_ID_EMPTY", "Transfer ID can't be empty")
        return (0, as_int(target[5:])) if target.startswith("queue") else (as_int(target), 0)
    if "QUEUE_ID" in ctx.params:
        if not ctx.int("QUEUE_ID"):
            raise RestError(400, "QUEUE_ID_EMPTY", "QUEUE ID can't be empty")
        return 0, ctx.int("QUEUE_ID")
    if not ctx.int("USER_ID"):
        raise RestError(400, "USER_ID_EMPTY", "User ID can't be empty")
    return ctx.int("USER_ID"), 0


def _operator_chat(ctx: Ctx) -> Chat:
    if not ctx.int("CHAT_ID"):
        raise RestError(400, "CHAT_ID", "Chat ID can't be empty")
    chat = ctx.core.chats.get(ctx.int("CHAT_ID"))
    if chat is None or not chat.sessions:
        raise RestError(400, "CHAT_TYPE", "This chat is not an open line")
    if not ctx.sees(chat) or not _works(ctx.user):
        raise RestError(400, "ACCESS_DENIED", "You dont have access to this chat")
    return chat


def _works(user: User) -> bool:
    return user.is_employee and user.active


METHODS: Final = table(
    Method("imopenlines.bot.session.operator", bot_operator, scope=BOT_SCOPES),
    Method("imopenlines.bot.session.transfer", bot_transfer, scope=BOT_SCOPES, upper_keys=False),
    Method("imopenlines.bot.session.finish", bot_finish, scope=BOT_SCOPES),
    Method("imopenlines.bot.session.message.send", bot_message_send, scope=BOT_SCOPES),
    Method("imopenlines.dialog.get", dialog_get, scope="imopenlines"),
    Method("imopenlines.session.history.get", history_get, scope="imopenlines", upper_keys=False),
    Method("imopenlines.session.open", session_open, scope="imopenlines", upper_keys=False),
    Method("imopenlines.session.join", session_join, scope="imopenlines", upper_keys=False),
    Method("imopenlines.operator.answer", operator_answer, scope="imopenlines"),
    Method("imopenlines.operator.finish", operator_finish, scope="imopenlines"),
    Method("imopenlines.operator.transfer", operator_transfer, scope="imopenlines"),
    Method("imopenlines.revision.get", revision, scope="imopenlines"),
)
