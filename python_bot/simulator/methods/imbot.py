"""imbot.* (version 1): registering a bot and speaking through it."""

from __future__ import annotations

from typing import Any, Final

from .. import wire
from ..apps import App
from ..call import Ctx, Method, RestError, table
from ..model import Bot, Chat, Message, User
from ..php import as_text, is_yes, json_array, upper_keys
from .general import url_refusal

# parameter -> event; EVENT_HANDLER stands in for all of them
HANDLERS: Final = {
    "EVENT_MESSAGE_ADD": "ONIMBOTMESSAGEADD",
    "EVENT_MESSAGE_UPDATE": "ONIMBOTMESSAGEUPDATE",
    "EVENT_MESSAGE_DELETE": "ONIMBOTMESSAGEDELETE",
    "EVENT_WELCOME_MESSAGE": "ONIMBOTJOINCHAT",
    "EVENT_BOT_DELETE": "ONIMBOTDELETE",
    "EVENT_CONTEXT_GET": "ONIMBOTCONTEXTGET",
}
REQUIRED_HANDLERS: Final = ("EVENT_MESSAGE_ADD", "EVENT_WELCOME_MESSAGE", "EVENT_BOT_DELETE")
KINDS: Final = {"B": "B", "O": "O", "S": "S", "H": "B"}


def register(ctx: Ctx) -> int | str:
    owner = owner_of(ctx, create=True)
    urls = _handler_urls(ctx, ctx.params, required=True)
    code = ctx.text("CODE")
    if not code:
        raise RestError(400, "CODE_ERROR", "Bot code isn't specified")
    properties = upper_keys(ctx.map("PROPERTIES"))
    name = " ".join(filter(None, (as_text(properties.get(key)) for key in ("NAME", "LAST_NAME"))))
    if not name:
        raise RestError(400, "NAME_ERROR", "Bot name isn't specified")
    known = next((bot for bot in ctx.core.bots.values() if bot.code == code), None)
    kind = KINDS.get(ctx.text("TYPE").upper(), "B")
    openline = kind == "O" or is_yes(ctx.params.get("OPENLINE"))
    bot = known or create_bot(ctx, Bot(ctx.core.next_id("bot"), code[:50], name, owner, openline, kind))
    _bind(ctx, owner, urls)
    return str(bot.bot_id) if known and ctx.core.build.bot_id_as_text else bot.bot_id


def create_bot(ctx: Ctx, bot: Bot) -> Bot:
    ctx.core.bots[bot.bot_id] = bot
    ctx.core.users[bot.bot_id] = User(bot.bot_id, bot.name, bot=True)
    return bot


def update(ctx: Ctx) -> bool:
    bot = own_bot(ctx)
    fields = upper_keys(ctx.map("FIELDS"))
    if bot.event_mode == "fetch" and any(key.startswith("EVENT_") for key in fields):
        raise RestError(400, "FETCH_NOT_SUPPORTED", "Handlers of a bot in FETCH mode can't be changed")
    urls = _handler_urls(ctx, fields, required=False)
    properties = upper_keys(fields["PROPERTIES"]) if isinstance(fields.get("PROPERTIES"), dict) else {}
    if "NAME" in properties and not as_text(properties["NAME"]):
        raise RestError(400, "NAME_ERROR", "Bot name isn't specified")
    if properties.get("NAME") or properties.get("LAST_NAME"):
        names = (as_text(properties.get(key)) for key in ("NAME", "LAST_NAME"))
        bot.name = ctx.core.users[bot.bot_id].name = " ".join(filter(None, names))
    bot.code = as_text(fields.get("CODE")) or bot.code
    if urls:
        _bind(ctx, bot.owner, urls)
    return True


def unregister(ctx: Ctx) -> bool:
    bot = own_bot(ctx)
    ctx.core.events.bot_deleted(bot, ctx.user.user_id)
    ctx.core.remove_bot(bot.bot_id)
    return True


def bot_list(ctx: Ctx) -> Any:
    """Every bot of the portal, whoever owns it."""
    rows = {}
    for bot in ctx.core.bots.values():
        flag = "Y" if bot.openline else "N"
        rows[bot.bot_id] = {"ID": bot.bot_id, "NAME": bot.name, "CODE": bot.code, "OPENLINE": flag}
    return json_array(rows)


def message_add(ctx: Ctx) -> int:
    bot = own_bot(ctx)
    if not ctx.text("DIALOG_ID"):
        raise RestError(400, "DIALOG_ID_EMPTY", "Dialog ID can't be empty")
    if not ctx.text("MESSAGE") and not ctx.params.get("ATTACH"):
        raise RestError(400, "MESSAGE_EMPTY", "Message can't be empty")
    if not ctx.text("DIALOG_ID").startswith("chat"):
        return _private_message(ctx, bot)
    chat = ctx.chat_of_dialog()
    if chat is None or bot.bot_id not in chat.bots:
        raise RestError(400, "WRONG_REQUEST", "Message isn't added")
    system = is_yes(ctx.params.get("SYSTEM"))
    to_client = not system and not is_yes(ctx.params.get("SKIP_CONNECTOR"))
    message = ctx.core.open_lines.add_message(chat, bot.bot_id, ctx.text("MESSAGE"), system=system, to_client=to_client)
    return message.message_id


def _private_message(ctx: Ctx, bot: Bot) -> int:
    """DIALOG_ID is a person's number: the one chat of the bot with that employee."""
    user = ctx.core.users.get(ctx.int("DIALOG_ID"))
    if user is None or not user.active or not user.is_employee:
        raise RestError(400, "WRONG_REQUEST", "Message isn't added")
    ctx.core.private_chat(bot.bot_id, user.user_id).messages.append((bot.bot_id, ctx.text("MESSAGE")))
    return ctx.core.next_id("message")


def message_update(ctx: Ctx) -> bool:
    bot, message = _own_message(ctx)
    if not ctx.text("MESSAGE"):
        ctx.core.open_lines.delete_message(message, bot.bot_id)
    else:
        ctx.core.open_lines.edit_message(message, ctx.text("MESSAGE"), bot.bot_id)
    return True


def message_delete(ctx: Ctx) -> bool:
    bot, message = _own_message(ctx)
    ctx.core.open_lines.delete_message(message, bot.bot_id)
    return True


def chat_leave(ctx: Ctx) -> bool:
    bot = own_bot(ctx)
    chat = _chat(ctx, bot)
    chat.bots.discard(bot.bot_id)
    return True


def chat_user_list(ctx: Ctx) -> list[int]:
    return sorted(_chat(ctx, own_bot(ctx)).everyone)


def dialog_get(ctx: Ctx) -> dict[str, Any]:
    bot = own_bot(ctx)
    private = ctx.core.private_chats.get((bot.bot_id, ctx.int("DIALOG_ID")))
    if private is not None:
        name = ctx.core.users[private.user_id].name
        return {"id": private.chat_id, "type": "private", "name": name, "dialog_id": str(private.user_id)}
    chat = ctx.chat_of_dialog()
    if chat is None or bot.bot_id not in chat.bots:
        raise RestError(403, "ACCESS_ERROR", "You do not have access to the specified dialog")
    return wire.dialog_card(chat)


# who owns what


def owner_of(ctx: Ctx, create: bool = False) -> str:
    """The application of a call; an incoming webhook names one in CLIENT_ID."""
    if ctx.caller.app is not None:
        return ctx.caller.app.client_id
    client_id = ctx.text("CLIENT_ID")
    if not client_id:
        raise RestError(403, "ACCESS_DENIED", "Client ID not specified")
    owner = f"custom{client_id}"
    if create and owner not in ctx.core.apps:
        ctx.core.apps[owner] = App(
            ctx.core, owner, "", client_id, "", ctx.caller.scopes, "webhook", ctx.user.user_id, True, webhook=True
        )
    return owner


def own_bot(ctx: Ctx) -> Bot:
    """BOT_ID, or the first bot of the application."""
    owner = owner_of(ctx)
    bots = ctx.core.bots_of(owner)
    bot = ctx.core.bots.get(ctx.int("BOT_ID")) if "BOT_ID" in ctx.params else bots[0] if bots else None
    if bot is None:
        raise RestError(400, "BOT_ID_ERROR", "Bot not found")
    if bot.owner != owner:
        raise RestError(400, "APP_ID_ERROR", "Bot was installed by another rest application")
    return bot


def _own_message(ctx: Ctx) -> tuple[Bot, Message]:
    bot = own_bot(ctx)
    if not ctx.int("MESSAGE_ID"):
        raise RestError(400, "MESSAGE_ID_ERROR", "Message ID can't be empty")
    message = ctx.core.messages.get(ctx.int("MESSAGE_ID"))
    if message is None or message.author_id != bot.bot_id or message.deleted:
        text = "Time has expired for modification or you don't have access"
        raise RestError(400, "CANT_EDIT_MESSAGE", text)
    return bot, message


def _chat(ctx: Ctx, bot: Bot) -> Chat:
    if not ctx.int("CHAT_ID"):
        raise RestError(400, "CHAT_ID_EMPTY", "Chat ID can't be empty")
    chat = ctx.core.chats.get(ctx.int("CHAT_ID"))
    if chat is None or bot.bot_id not in chat.bots:
        raise RestError(400, "WRONG_REQUEST", "You don't have access or user isn't member in chat")
    return chat


def _handler_urls(ctx: Ctx, fields: dict[str, Any], required: bool) -> dict[str, str]:
    """Event name -> URL, every URL checked."""
    everything = as_text(fields.get("EVENT_HANDLER"))
    urls: dict[str, str] = {}
    for name, event in HANDLERS.items():
        url = everything or as_text(fields.get(name))
        if not url:
            if required and name in REQUIRED_HANDLERS:
                raise RestError(400, f"{name}_ERROR", "Handler for the event isn't specified")
            continue
        refused = url_refusal(url)
        if refused is not None:
            raise RestError(400, f"{name}_ERROR", refused.text)
        suffix = ("&" if "?" in url else "?") + f"CLIENT_ID={ctx.text('CLIENT_ID')}"
        urls[event] = url if ctx.caller.app else url + suffix
    return urls


def _bind(ctx: Ctx, owner: str, urls: dict[str, str]) -> None:
    for event, url in urls.items():
        ctx.core.unbind(owner, event)
        ctx.core.bind(owner, event, url)


METHODS: Final = table(
    Method("imbot.register", register, scope="imbot"),
    Method("imbot.update", update, scope="imbot"),
    Method("imbot.unregister", unregister, scope="imbot"),
    Method("imbot.bot.list", bot_list, scope="imbot"),
    Method("imbot.message.add", message_add, scope="imbot"),
    Method("imbot.message.update", message_update, scope="imbot"),
    Method("imbot.message.delete", message_delete, scope="imbot"),
    Method("imbot.chat.leave", chat_leave, scope="imbot"),
    Method("imbot.chat.user.list", chat_user_list, scope="imbot"),
    Method("imbot.dialog.get", dialog_get, scope="imbot"),
)
