"""imbot.v2.*: bots with an owner check, and events that a bot can fetch."""

from __future__ import annotations

from typing import Any, Final

from ..call import Ctx, Method, RestError, table
from ..clock import iso
from ..events_v2 import bot_v2, user_v2
from ..model import Bot
from ..php import as_int, as_text
from .general import url_refusal
from .imbot import create_bot

KINDS: Final = {"bot": "B", "supervisor": "S", "personal": "P", "openline": "O"}


def register(ctx: Ctx) -> dict[str, Any]:
    fields = ctx.map("fields")
    code = as_text(fields.get("code"))
    if not code:
        raise RestError(400, "BOT_CODE_REQUIRED", "Bot code is required")
    name = _name(fields)
    known = next((bot for bot in ctx.core.bots.values() if bot.code == code), None)
    if known is not None:
        if known.owner != ctx.owner:
            raise RestError(400, "BOT_CODE_ALREADY_TAKEN", "Bot code is already taken by another application")
        return _answer(ctx, known)
    if not name:
        raise RestError(400, "BOT_PROPERTIES_NAME_REQUIRED", "Bot name is required")
    kind = as_text(fields.get("type")) or "bot"
    if kind not in KINDS:
        raise RestError(400, "BOT_TYPE_NOT_ALLOWED", "Bot type is not allowed")
    bot = Bot(
        ctx.core.next_id("bot"), code, name, ctx.owner, kind == "openline" or bool(fields.get("isSupportOpenline")),
        KINDS[kind], "v2", as_text(fields.get("eventMode")) or "fetch",
        as_text(fields.get("webhookUrl")), as_text(fields.get("botToken")),
    )  # fmt: skip
    _check_webhook(bot.event_mode, bot.webhook_url)
    return _answer(ctx, create_bot(ctx, bot))


def get(ctx: Ctx) -> dict[str, Any]:
    return _answer(ctx, own_bot(ctx))


def bots(ctx: Ctx) -> dict[str, Any]:
    mine = [bot for bot in ctx.core.bots_of(ctx.owner) if bot.api == "v2"]
    return {"bots": [bot_v2(bot) for bot in mine], "users": [user_v2(ctx.core.users[bot.bot_id]) for bot in mine]}


def update(ctx: Ctx) -> dict[str, Any]:
    bot = own_bot(ctx)
    fields = ctx.map("fields")
    mode = as_text(fields.get("eventMode")) or bot.event_mode
    url = as_text(fields.get("webhookUrl")) or bot.webhook_url
    _check_webhook(mode, url)
    bot.event_mode, bot.webhook_url = mode, url
    if _name(fields):
        bot.name = ctx.core.users[bot.bot_id].name = _name(fields)
    return _answer(ctx, bot)


def unregister(ctx: Ctx) -> dict[str, bool]:
    bot = own_bot(ctx)
    ctx.core.events.bot_deleted(bot, ctx.user.user_id)
    ctx.core.remove_bot(bot.bot_id)
    ctx.core.events.v2.forget(bot)
    return {"result": True}


def event_get(ctx: Ctx) -> dict[str, Any]:
    bot = own_bot(ctx)
    limit = as_int(ctx.params.get("limit", 100))
    if not 1 <= limit <= 1000:
        raise RestError(400, "INVALID_LIMIT", "limit must be between 1 and 1000")
    offset = ctx.int("offset")
    rows, more = ctx.core.events.v2.fetch(bot, offset, limit)
    following = rows[-1].event_id + 1 if rows else offset or None
    listed = [{"eventId": row.event_id, "type": row.kind, "date": iso(row.at), "data": row.data} for row in rows]
    return {"events": listed, "nextOffset": following, "hasMore": more}


def file_download(ctx: Ctx) -> dict[str, str]:
    """A link for one download of a file from a chat that the bot is in."""
    bot = own_bot(ctx)
    if not ctx.int("fileId"):
        raise RestError(400, "FILE_ID_REQUIRED", "fileId is required")
    file = ctx.core.files.get(ctx.int("fileId"))
    if file is None:
        raise RestError(404, "FILE_NOT_FOUND", "File not found")
    if bot.bot_id not in ctx.core.chats[file.chat_id].bots:
        raise RestError(403, "ACCESS_DENIED", "Access denied")
    return {"downloadUrl": ctx.core.downloads.chat_link("imbot", file)}


def revision(ctx: Ctx) -> dict[str, int]:
    return {"rest": 32, "web": 130, "mobile": 20}


def own_bot(ctx: Ctx) -> Bot:
    if not ctx.int("botId"):
        raise RestError(400, "BOT_ID_REQUIRED", "botId is required")
    bot = ctx.core.bots.get(ctx.int("botId"))
    if bot is None or bot.api != "v2":
        raise RestError(400, "BOT_NOT_FOUND", "Bot not found")
    if bot.owner != ctx.owner:
        raise RestError(403, "BOT_OWNERSHIP_ERROR", "Bot belongs to another application")
    return bot


def _answer(ctx: Ctx, bot: Bot) -> dict[str, Any]:
    return {"bot": bot_v2(bot), "users": [user_v2(ctx.core.users[bot.bot_id])]}


def _name(fields: dict[str, Any]) -> str:
    properties = fields.get("properties")
    if not isinstance(properties, dict):
        return ""
    return " ".join(filter(None, (as_text(properties.get(key)) for key in ("name", "lastName"))))


def _check_webhook(mode: str, url: str) -> None:
    if mode == "webhook":
        refused = url_refusal(url)
        if refused is not None:
            raise refused


METHODS: Final = table(
    Method("imbot.v2.Bot.register", register, scope="imbot", upper_keys=False, v2=True),
    Method("imbot.v2.Bot.get", get, scope="imbot", upper_keys=False, v2=True),
    Method("imbot.v2.Bot.list", bots, scope="imbot", upper_keys=False, v2=True),
    Method("imbot.v2.Bot.update", update, scope="imbot", upper_keys=False, v2=True),
    Method("imbot.v2.Bot.unregister", unregister, scope="imbot", upper_keys=False, v2=True),
    Method("imbot.v2.Event.get", event_get, scope="imbot", upper_keys=False, v2=True),
    Method("imbot.v2.File.download", file_download, scope="imbot", upper_keys=False, v2=True),
    Method("imbot.v2.Revision.get", revision, scope="imbot", upper_keys=False, v2=True),
)
