"""What the real Bot API refuses is refused, in its words and with its codes."""

from __future__ import annotations

import pytest

from python_bot.simulator.pictures import PNG, png

MARKUP = [
    ("<br>", 'Unsupported start tag "br" at byte offset 0'),
    ("<p>a</p>", 'Unsupported start tag "p" at byte offset 0'),
    ("я<b>a", 'Can\'t find end tag corresponding to start tag "b"'),
    ("<b>a</i>", 'Unmatched end tag at byte offset 4, expected "</b>", found "</i>"'),
    ("a</b>", "Unexpected end tag at byte offset 1"),
    ("<", "Unclosed start tag at byte offset 0"),
    ("1 < 2", 'Unsupported start tag "" at byte offset 2'),
    ("<a href=>x</a>", 'Expected equal sign in declaration of an attribute of the tag "a" at byte offset 0'),
    ('<b id="1', 'Expected equal sign in declaration of an attribute of the tag "b" at byte offset 0'),
    ("<b", "Unclosed start tag at byte offset 0"),
    ('<b id="1"', 'Unclosed start tag "b" at byte offset 0'),
    ("a<br/>", 'Unsupported start tag "br/" at byte offset 1'),
    ("<span>x</span>", 'Tag "span" must have class "tg-spoiler" at byte offset 0'),
]
KEPT = [
    ("a &lt;b&gt; &amp; &quot;c&quot; &#1103; &#x42F;", 'a <b> & "c" я Я', []),
    ("&nbsp; & x && >", "&nbsp; & x && >", []),
    ("<b>a<i>b</i></b>", "ab", [("bold", 0, 2), ("italic", 1, 1)]),
    ("😀<B>x</b>", "😀x", [("bold", 2, 1)]),
    ("<b> x </b>", "x", [("bold", 0, 1)]),
    ("a<b></b>", "a", []),
    ('<a href="http://x.y/?a=1&amp;b">l</a>', "l", [("text_link", 0, 1)]),
    ('<a href="javascript:alert(1)">l</a>', "l", []),
    ('<pre><code class="language-python">x</code></pre>', "x", [("pre", 0, 1)]),
    ("<blockquote expandable>q</blockquote>", "q", [("expandable_blockquote", 0, 1)]),
    ("<tg-spoiler>s</tg-spoiler><span class='tg-spoiler'>t</span>", "st", [("spoiler", 0, 1), ("spoiler", 1, 1)]),
]


@pytest.mark.parametrize(("html", "complaint"), MARKUP)
def test_broken_markup(api, olga, html, complaint):
    refusal = api("sendMessage", chat_id=olga.id, text=html, parse_mode="HTML").refusal
    assert refusal == (400, f"Bad Request: can't parse entities: {complaint}")
    assert olga.shown == []


@pytest.mark.parametrize(("html", "text", "entities"), KEPT)
def test_markup_that_is_understood(telegram, api, olga, html, text, entities):
    telegram.flood.enabled = False
    sent = api("sendMessage", chat_id=olga.id, text=html, parse_mode="html").result
    assert sent["text"] == text
    assert [(found["type"], found["offset"], found["length"]) for found in sent.get("entities", [])] == entities


@pytest.mark.parametrize(
    ("params", "complaint"),
    [
        ({"text": ""}, "message text is empty"),
        ({"text": " \n\t "}, "message text is empty"),
        ({"text": "<b> </b>", "parse_mode": "HTML"}, "message text is empty"),
        ({"text": "я" * 4097}, "message is too long"),
        ({"text": "😀" * 2049}, "message is too long"),
        ({"text": "cut \ud83d"}, "strings must be encoded in UTF-8"),
        ({"text": "a", "parse_mode": "BBCode"}, "unsupported parse_mode"),
        ({"text": "a", "entities": [{"type": "loud", "offset": 0, "length": 1}]}, "unsupported type specified"),
        ({"text": "a", "reply_parameters": {"message_id": 77}}, "message to be replied not found"),
        ({"text": "a", "message_thread_id": 5}, "message thread not found"),
        ({"text": "a", "chat_id": 999}, "chat not found"),
        ({"text": "a", "chat_id": ""}, "chat_id is empty"),
        ({"text": "a", "chat_id": "@nobody"}, "chat not found"),
    ],
)
def test_messages_that_cannot_be(api, olga, params, complaint):
    code, description = api("sendMessage", **({"chat_id": olga.id} | params)).refusal
    assert code == 400 and description.startswith("Bad Request: ") and complaint in description
    assert olga.shown == []


def test_what_is_just_short_enough(api, olga):
    assert api("sendMessage", chat_id=olga.id, text="<b>" + "я" * 4096 + "</b>", parse_mode="HTML").status == 200
    assert api("sendMessage", chat_id=olga.id, text="😀" * 2048).status == 200
    caption = {"files": {"photo": ("a.png", PNG, "image/png")}, "chat_id": olga.id}
    assert api("sendPhoto", caption="я" * 1024, **caption).status == 200
    assert api("sendPhoto", caption="я" * 1025, **caption).refusal == (400, "Bad Request: message caption is too long")


def test_people_who_cannot_be_reached(telegram, api, bot, olga):
    text = {"chat_id": olga.id, "text": "есть кто?"}
    olga.blocks_bot()
    assert api("sendMessage", **text).refusal == (403, "Forbidden: bot was blocked by the user")
    assert api("sendPhoto", chat_id=olga.id, photo="x").status == 403
    assert api("getChat", chat_id=olga.id).status == 200
    olga.unblocks_bot()
    assert api("sendMessage", **text).status == 200
    states = [update["my_chat_member"]["new_chat_member"]["status"] for update in api("getUpdates").result]
    assert states == ["kicked", "member"]
    olga.deletes_account()
    assert api("sendMessage", **text).refusal == (403, "Forbidden: user is deactivated")
    stranger = telegram.client(bot, "Пётр", started=False)
    refused = api("sendMessage", chat_id=stranger.id, text="рекламa").refusal
    assert refused == (403, "Forbidden: bot can't initiate conversation with a user")
    other = telegram.add_bot("Other")
    assert api("sendMessage", chat_id=other.id, text="x").status == 403
    assert api("sendMessage", chat_id=telegram.client(other, "Чужая").id, text="x").status == 403


def test_groups_that_are_no_more(telegram, api, bot):
    group = telegram.group(bot, forum=False, kind="group")
    new = group.becomes_supergroup()
    answer = api("sendMessage", chat_id=group.id, text="x")
    assert answer.refusal == (400, "Bad Request: group chat was upgraded to a supergroup chat")
    assert answer.body["parameters"] == {"migrate_to_chat_id": new.id}
    assert api("sendMessage", chat_id=new.id, text="x").status == 200
    new.set_bot(bot, "restricted", may_write=False)
    assert "not enough rights to send" in api("sendMessage", chat_id=new.id, text="x").refusal[1]
    new.set_bot(bot, "left")
    assert api("sendMessage", chat_id=new.id, text="x").refusal == (
        403,
        "Forbidden: bot is not a member of the supergroup chat",
    )
    new.set_bot(bot, "kicked")
    assert api("getChat", chat_id=new.id).refusal == (403, "Forbidden: bot was kicked from the supergroup chat")


def test_edits_and_deletions(telegram, api, olga):
    sent = api("sendMessage", chat_id=olga.id, text="раз").result
    here = {"chat_id": olga.id, "message_id": sent["message_id"]}
    assert "message is not modified" in api("editMessageText", text=" раз ", **here).refusal[1]
    assert api("editMessageText", text="два", **here).result["edit_date"]
    assert "there is no caption" in api("editMessageCaption", caption="x", **here).refusal[1]
    assert "message to edit not found" in api("editMessageText", chat_id=olga.id, message_id=99, text="x").refusal[1]
    theirs = olga.writes("моё")
    refused = api("editMessageText", chat_id=olga.id, message_id=theirs.message_id, text="x").refusal
    assert refused == (400, "Bad Request: message can't be edited")
    assert api("deleteMessage", **here).result is True
    assert api("deleteMessage", **here).refusal == (400, "Bad Request: message to delete not found")
    old = api("sendMessage", chat_id=olga.id, text="старое").result["message_id"]
    telegram.clock.advance(48 * 3600)
    refused = api("deleteMessage", chat_id=olga.id, message_id=old).refusal
    assert refused == (400, "Bad Request: message can't be deleted for everyone")
    assert api("deleteMessages", chat_id=olga.id, message_ids=list(range(101))).status == 400


def test_pictures_that_are_none(api, olga):
    def send(content, name="a.png", kind="image/png"):
        return api("sendPhoto", files={"photo": (name, content, kind)}, chat_id=olga.id)

    assert send(b"").refusal == (400, "Bad Request: file must be non-empty")
    assert send(b"no picture").refusal == (400, "Bad Request: IMAGE_PROCESS_FAILED")
    assert send(png(6000, 4001)).refusal == (400, "Bad Request: PHOTO_INVALID_DIMENSIONS")
    assert send(png(2001, 100)).refusal == (400, "Bad Request: PHOTO_INVALID_DIMENSIONS")
    assert send(PNG + bytes(10 << 20)).status == 400
    assert send(png(6000, 4000)).status == 200


def test_files_that_are_too_large(api, olga):
    large = api("sendDocument", files={"document": ("a.bin", bytes(20 << 20), "x/y")}, chat_id=olga.id).result
    larger = api("sendDocument", files={"document": ("b.bin", bytes((20 << 20) + 1), "x/y")}, chat_id=olga.id).result
    assert api("getFile", file_id=large["document"]["file_id"]).status == 200
    assert api("getFile", file_id=larger["document"]["file_id"]).refusal == (400, "Bad Request: file is too big")
    too_much = api("sendDocument", files={"document": ("c.bin", bytes((50 << 20) + 1), "x/y")}, chat_id=olga.id)
    assert too_much.refusal == (413, "Request Entity Too Large")


def test_files_by_url(telegram, api, bot, olga):
    size = api("sendPhoto", files={"photo": ("a.png", PNG, "image/png")}, chat_id=olga.id).result["photo"][-1]
    path = api("getFile", file_id=size["file_id"]).result["file_path"]
    telegram.route("https://files.example.org/", f"{telegram.url}/file/bot{bot.token}/")

    def refused(method, **params):
        return api(method, chat_id=olga.id, **params).refusal[1].removeprefix("Bad Request: ")

    # The messenger serves files without a type, which is no picture.
    assert refused("sendPhoto", photo=f"https://files.example.org/{path}") == "wrong type of the web page content"
    assert refused("sendDocument", document=f"https://files.example.org/{path}") == "wrong type of the web page content"
    assert refused("sendPhoto", photo="https://files.example.org/none") == "failed to get HTTP URL content"
    assert refused("sendPhoto", photo="https://elsewhere.example.org/x") == "failed to get HTTP URL content"
    assert "Unsupported URL protocol" in refused("sendPhoto", photo="ftp://files.example.org/x")
    assert "wrong remote file identifier" in refused("sendPhoto", photo="AgACAgIAAxk")
    assert api("sendVideo", chat_id=olga.id, video=f"https://files.example.org/{path}").status == 200


def test_albums(telegram, api, olga):
    telegram.flood.enabled = False
    photo = api("sendPhoto", files={"photo": ("a.png", PNG, "image/png")}, chat_id=olga.id).result["photo"][-1][
        "file_id"
    ]
    document = api("sendDocument", files={"document": ("a.txt", b"x", "text/plain")}, chat_id=olga.id).result[
        "document"
    ]

    def album(*kinds, **more):
        files = {"photo": photo, "document": document["file_id"]}
        media = [{"type": kind, "media": files.get(kind, photo)} | more for kind in kinds]
        return api("sendMediaGroup", chat_id=olga.id, media=media)

    assert api("sendPhoto", chat_id=olga.id, photo=document["file_id"]).refusal == (
        400,
        "Bad Request: can't use file of type Document as Photo",
    )
    assert api("sendDocument", chat_id=olga.id, document=photo).status == 400
    assert album("photo").status == album(*["photo"] * 11).status == 400
    assert album("photo", "document").status == album("photo", "voice").status == 400
    assert album("photo", "photo", caption="я" * 1025).status == 400
    assert api("sendMediaGroup", chat_id=olga.id, media=[{"type": "photo", "media": "attach://a"}] * 2).status == 400
    sent = album(*["document"] * 10).result
    assert len(sent) == 10 and len({part["media_group_id"] for part in sent}) == 1


def test_files_of_another_bot_are_unknown(telegram, api, olga):
    sent = api("sendDocument", files={"document": ("a.txt", b"x", "text/plain")}, chat_id=olga.id).result
    other = telegram.add_bot("Other")
    api.token = other.token
    assert "wrong file_id" in api("getFile", file_id=sent["document"]["file_id"]).refusal[1]


def test_buttons_and_forms(api, olga):
    keyboard = {"inline_keyboard": [[{"text": "x", "callback_data": "я" * 33}]]}
    assert (
        api("sendMessage", chat_id=olga.id, text="x", reply_markup=keyboard).refusal[1]
        == "Bad Request: BUTTON_DATA_INVALID"
    )
    assert api("answerCallbackQuery", callback_query_id="1").status == 400
    assert api.send("sendMessage", b"{", "application/json").status == 400
    assert api("sendMessage", chat_id=None, text="x").refusal == (400, "Bad Request: chat not found")
    assert api("sendMessage", chat_id=olga.id, text="x", reply_parameters=None).status == 200
    assert api.send("sendMessage", b"--x", "multipart/form-data; boundary=b").status == 400
    assert api.send("sendMessage", b"text=%ff", "application/x-www-form-urlencoded").status == 400
    assert api("sendChatAction", chat_id=olga.id, action="sleeping").status == 400
    assert api("setMyCommands", commands=[{"command": "Плохо", "description": "x"}]).status == 400
