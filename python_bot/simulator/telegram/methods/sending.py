"""Messages without a file: text, places, contacts, polls, dice, actions; forwarding and copying."""

from __future__ import annotations

from typing import Any

from ..core import Core
from ..errors import bad_request
from ..model import Bot, StoredFile
from ..params import Params
from ..targets import admit, answered, chat_of, need_voice, thread_of
from ..text import read_caption, read_text

ACTIONS = frozenset({
    "typing", "upload_photo", "record_video", "upload_video", "record_voice", "upload_voice",
    "upload_document", "choose_sticker", "find_location", "record_video_note", "upload_video_note",
})  # fmt: skip
BUTTON_ACTIONS = {"url", "callback_data", "web_app", "login_url", "switch_inline_query", "copy_text", "pay"}
DICE = {"🎲": 6, "🎯": 6, "🏀": 5, "⚽": 5, "🎳": 6, "🎰": 64}


def posted(
    core: Core, bot: Bot, params: Params, content: dict[str, Any], file: StoredFile | None = None, what: str = ""
) -> dict[str, Any]:
    """Send it where the request says, when it may be sent. Raises Refused."""
    chat = chat_of(core, bot, params)
    need_voice(chat, bot, what or "text messages")
    thread_id = thread_of(core, bot, chat, params)
    reply_to, quote = answered(core, bot, chat, params)
    content = content | quote | keyboard(params)
    admit(core, bot, chat)
    return core.post(chat, bot, content, thread_id=thread_id, reply_to=reply_to, file=file).wire()


def keyboard(params: Params) -> dict[str, Any]:
    """Only an inline keyboard is a part of the message; the others are the client's screen. Raises Refused."""
    markup = params.object("reply_markup")
    if not markup:
        return {}
    rows = markup.get("inline_keyboard")
    if rows is None:
        if not markup.keys() & {"keyboard", "remove_keyboard", "force_reply"}:
            raise bad_request("object expected as reply markup")
        return {}
    for button in (button for row in rows for button in row):
        if not isinstance(button, dict) or not button.get("text"):
            raise bad_request("can't parse inline keyboard button: Can't find field \"text\"")
        if not button.keys() & BUTTON_ACTIONS:
            raise bad_request("can't parse inline keyboard button: Text buttons are unallowed in the inline keyboard")
        if len(button.get("callback_data", "x").encode()) > 64:
            raise bad_request("BUTTON_DATA_INVALID")
    return {"reply_markup": {"inline_keyboard": rows}} if rows else {}


def send_message(core: Core, bot: Bot, params: Params) -> dict[str, Any]:
    chat_of(core, bot, params)  # a wrong chat is told before a wrong text
    return posted(core, bot, params, read_text(params))


def send_location(core: Core, bot: Bot, params: Params) -> dict[str, Any]:
    return posted(core, bot, params, {"location": place(params)})


def place(params: Params) -> dict[str, float]:
    latitude, longitude = params.number("latitude"), params.number("longitude")
    if latitude is None or longitude is None or not (-90 <= latitude <= 90 and -180 <= longitude <= 180):
        raise bad_request("wrong location specified" if latitude is not None else "latitude is empty")
    return {"latitude": latitude, "longitude": longitude}


def send_venue(core: Core, bot: Bot, params: Params) -> dict[str, Any]:
    found, title, address = place(params), params.text("title"), params.text("address")
    if not title or not address:
        raise bad_request("venue title must be non-empty" if not title else "venue address must be non-empty")
    venue = {"location": found, "title": title, "address": address}
    return posted(core, bot, params, {"venue": venue, "location": found})


def send_contact(core: Core, bot: Bot, params: Params) -> dict[str, Any]:
    phone, first_name = params.text("phone_number"), params.text("first_name")
    if not phone or not first_name:
        raise bad_request("contact phone number is empty" if not phone else "contact first name is empty")
    contact = {"phone_number": phone.lstrip("+"), "first_name": first_name}
    contact |= {"last_name": params.text("last_name")} if params.text("last_name") else {}
    return posted(core, bot, params, {"contact": contact})


def send_poll(core: Core, bot: Bot, params: Params) -> dict[str, Any]:
    question, options = params.text("question"), params.list("options") or []
    if not question:
        raise bad_request("poll question must be non-empty")
    if not 1 <= len(options) <= 12:
        raise bad_request("poll must have at least 1 option" if not options else "poll can't have more than 12 options")
    poll = {
        "id": str(core.number("poll", 5000000000000000001)),
        "question": question,
        "options": [
            {
                "persistent_id": str(at),
                "text": option["text"] if isinstance(option, dict) else str(option),
                "voter_count": 0,
            }
            for at, option in enumerate(options)
        ],
        "total_voter_count": 0,
        "is_closed": False,
        "is_anonymous": True,
        "type": "regular",
        "allows_multiple_answers": False,
        "allows_revoting": False,
        "members_only": False,
    }
    return posted(core, bot, params, {"poll": poll})


def send_dice(core: Core, bot: Bot, params: Params) -> dict[str, Any]:
    emoji = params.text("emoji") or "🎲"
    if emoji not in DICE:
        raise bad_request("EMOTICON_INVALID")
    return posted(core, bot, params, {"dice": {"emoji": emoji, "value": core.rng.randint(1, DICE[emoji])}})


def send_chat_action(core: Core, bot: Bot, params: Params) -> bool:
    chat = chat_of(core, bot, params)
    if params.text("action") not in ACTIONS:
        raise bad_request("wrong parameter action in request")
    thread_of(core, bot, chat, params)
    chat.actions.append(params.text("action"))
    return True


def forward_message(core: Core, bot: Bot, params: Params) -> dict[str, Any]:
    source = chat_of(core, bot, params, "from_chat_id")
    message = source.messages.get(params.integer("message_id"))
    if message is None or message.deleted or message.is_service:
        raise bad_request("message to forward not found")
    sender = message.sender.user() if message.sender else {}
    origin = {"type": "user", "sender_user": sender, "date": message.date}
    content = {name: value for name, value in message.content.items() if name != "reply_markup"}
    return posted(core, bot, params, {"forward_origin": origin} | content, message.file)


def copy_message(core: Core, bot: Bot, params: Params) -> dict[str, int]:
    source = chat_of(core, bot, params, "from_chat_id")
    message = source.messages.get(params.integer("message_id"))
    if message is None or message.deleted or message.is_service:
        raise bad_request("message to copy not found")
    content = {name: value for name, value in message.content.items() if name not in ("reply_markup", "forward_origin")}
    if params.has("caption"):
        content = {name: value for name, value in content.items() if not name.startswith("caption")}
        content |= read_caption(params)
    return {"message_id": posted(core, bot, params, content, message.file)["message_id"]}


METHODS = {
    "sendMessage": send_message,
    "sendLocation": send_location,
    "sendVenue": send_venue,
    "sendContact": send_contact,
    "sendPoll": send_poll,
    "sendDice": send_dice,
    "sendChatAction": send_chat_action,
    "forwardMessage": forward_message,
    "copyMessage": copy_message,
}
