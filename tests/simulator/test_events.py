"""Every event has exactly the keys that portals were seen to send."""

from __future__ import annotations

from urllib.parse import parse_qsl, urlsplit

import pytest

from tests.support import form

MAY_DIFFER = {
    "access_token", "refresh_token", "expires", "ts", "client_id", "application_token", "member_id", "scope", "domain",
    "client_endpoint", "server_endpoint", "event_handler_id", "ID", "MESSAGE_ID", "CHAT_PREV_MESSAGE_ID",
    "CHAT_ENTITY_DATA_1",  # holds the second the session began
}  # fmt: skip


def keys_of(name: str) -> set[str]:
    raw = form(name).decode()
    return {key for key, _ in parse_qsl(raw, keep_blank_values=True)}


@pytest.fixture
def story(portal, receiver, app, b24, bot):
    """One conversation in which every bot event happens; returns the received events by vector name."""
    for event in ("ONSESSIONFINISH", "ONOPENLINEMESSAGEADD", "ONAPPTEST", "ONAPPUPDATE"):
        assert b24("event.bind", event=event, handler=receiver.url).result is True
    client = portal.client("Анна Смирнова", external_id="209607941")
    first = client.writes("Добрый день!\nЦена 1+1 & доставка? 👍")
    picture = client.writes(files=[portal.file("чек №7.jpg", b"jpeg", 1280, 960)], external_id="88")
    assert b24.hand_over(first).result is True
    operator = portal.operator(27)
    operator.answers(first.chat_id)
    answer = operator.writes(first.chat_id, "[USER=744]Анна[/USER], здравствуйте! Доставка [B]бесплатно[/B]")
    operator.edits(answer, "здравствуйте! Доставка 300 руб.")
    client.deletes(first)
    operator.finishes(first.chat_id)
    assert b24("event.test", nonce="k7f3").result == 1
    assert portal.wait_quiet()
    added = {int(got.form["data[PARAMS][MESSAGE_ID]"]): got for got in receiver.of("ONIMBOTMESSAGEADD")}
    handover = next(message for message in portal.history(first.session_id) if message.system)
    outgoing = [got for got in receiver.of("ONOPENLINEMESSAGEADD") if "data[CONNECTOR]" in got.form]
    return {
        "onimbotjoinchat__automatic": receiver.of("ONIMBOTJOINCHAT")[0],
        "onimbotmessageadd__client_text": added[first.message_id],
        "onimbotmessageadd__client_file": added[picture.message_id],
        "onimbotmessageadd__system": added[handover.message_id],
        "onimbotmessageadd__operator": added[answer.message_id],
        "onimbotmessageupdate__operator": receiver.of("ONIMBOTMESSAGEUPDATE")[0],
        "onimbotmessagedelete__client": receiver.of("ONIMBOTMESSAGEDELETE")[0],
        "onsessionfinish__object": receiver.of("ONSESSIONFINISH")[0],
        "onopenlinemessageadd__outgoing": outgoing[0],
        "onapptest__nonce": receiver.of("ONAPPTEST")[0],
    }


def test_bot_events_have_the_keys_of_the_recorded_ones(story):
    differing = {name: got.keys ^ keys_of(name) for name, got in story.items() if got.keys != keys_of(name)}
    assert differing == {}


def test_bot_events_have_the_values_of_the_recorded_ones_too(story):
    """The recorded conversation was played again with the same ids; only secrets, places and times may differ."""
    differing = set()
    for name in (
        "onimbotjoinchat__automatic",
        "onimbotmessageadd__client_text",
        "onimbotmessageupdate__operator",
        "onimbotmessagedelete__client",
    ):
        recorded = dict(parse_qsl(form(name).decode(), keep_blank_values=True))
        played = story[name].form
        differing |= {key.rpartition("[")[2].rstrip("]") for key in recorded if played[key] != recorded[key]}
    assert differing - MAY_DIFFER == set()


def test_the_text_of_a_message_survives_the_form(story):
    params = story["onimbotmessageadd__client_text"].form
    assert params["data[PARAMS][MESSAGE]"] == "Добрый день!\nЦена 1+1 & доставка? 👍"
    assert params["data[PARAMS][MESSAGE_ORIGINAL]"] == params["data[PARAMS][MESSAGE]"]
    assert params["data[PARAMS][CHAT_ENTITY_ID]"] == "telegrambot|3|209607941|744"
    assert params["data[PARAMS][CHAT_ENTITY_DATA_1]"].split("|")[5] == "321"


def test_mentions_are_stripped_from_the_message_but_not_from_the_original(story):
    params = story["onimbotmessageadd__operator"].form
    assert params["data[PARAMS][MESSAGE]"] == "здравствуйте! Доставка [B]бесплатно[/B]"
    assert params["data[PARAMS][MESSAGE_ORIGINAL]"].startswith("[USER=744]Анна[/USER], ")


def test_every_event_names_its_user_with_a_token_of_that_user(portal, story):
    client, operator = story["onimbotmessageadd__client_text"].form, story["onimbotmessageadd__operator"].form
    assert (client["auth[user_id]"], operator["auth[user_id]"]) == ("744", "27")
    assert portal.core.tokens.access[operator["auth[access_token]"]].user_id == 27
    assert client["data[BOT][597][user_id]"] == "597"
    assert client["data[BOT][597][AUTH][access_token]"] == client["data[BOT][597][access_token]"]


def test_events_arrive_as_forms_from_the_webhook_engine(story):
    got = story["onimbotjoinchat__automatic"]
    assert got.headers["User-Agent"] == "Bitrix24 Webhook Engine"
    assert got.headers["Content-Type"] == "application/x-www-form-urlencoded"
    assert "data%5BPARAMS%5D%5BCHAT_ID%5D=1763" in got.raw
    assert "refresh_token" not in "".join(key for key in got.keys if key.startswith("auth"))


def test_the_life_of_an_application_is_told_with_the_recorded_keys(portal, receiver, helpers):
    app = portal.install_app(receiver.url)
    assert portal.wait_quiet()
    assert receiver.of("ONAPPINSTALL")[0].keys == keys_of("onappinstall__api_only")
    b24 = helpers.Bitrix(portal, app)
    b24("event.bind", event="ONAPPUPDATE", handler=receiver.url)
    portal.update_app(app)
    assert b24("event.get").result == []
    b24("event.bind", event="ONAPPUNINSTALL", handler=receiver.url)
    portal.uninstall_app(app)
    assert portal.wait_quiet()
    assert receiver.of("ONAPPUPDATE")[0].keys == keys_of("onappupdate__full")
    assert receiver.of("ONAPPUNINSTALL")[0].keys == keys_of("onappuninstall__keep")
    assert b24("profile").error == (401, "APPLICATION_NOT_FOUND")


def test_a_deleted_bot_is_reported_and_hears_no_more(portal, receiver, b24, bot):
    client = portal.client("Анна")
    client.writes("раз")
    portal.delete_bot(bot)
    client.writes("два")
    assert portal.wait_quiet()
    assert receiver.of("ONIMBOTDELETE")[0].keys == keys_of("onimbotdelete__bot")
    assert len(receiver.of("ONIMBOTMESSAGEADD")) == 1


def test_the_documented_shape_of_session_events_carries_the_session_id(portal, receiver, b24, bot):
    portal.build.session_event_shape = "docs"
    b24("event.bind", event="ONSESSIONFINISH", handler=receiver.url)
    message = portal.client("Анна").writes("привет")
    portal.operator(27).finishes(message.chat_id)
    assert portal.wait_quiet()
    got = receiver.of("ONSESSIONFINISH")[0]
    assert got.keys == keys_of("onsessionfinish__list")
    assert got.form["data[DATA][0][session][id]"] == str(message.session_id)


def test_incoming_line_events_have_no_connector_and_line_keys(portal, receiver, b24):
    b24("event.bind", event="ONOPENLINEMESSAGEADD", handler=receiver.url)
    portal.client("Анна", external_id="55").writes("привет")
    assert portal.wait_quiet()
    (got,) = receiver.of("ONOPENLINEMESSAGEADD")
    assert not got.keys & {"data[CONNECTOR]", "data[LINE]"}
    assert got.form["data[DATA][connector][chat_id]"] == "55"


def test_answers_to_site_chat_clients_make_no_line_event(portal, receiver, b24):
    b24("event.bind", event="ONOPENLINEMESSAGEADD", handler=receiver.url)
    message = portal.client("Гость", connector="livechat").writes("привет")
    portal.operator(27).writes(message.chat_id, "здравствуйте")
    assert portal.wait_quiet()
    assert len(receiver.of("ONOPENLINEMESSAGEADD")) == 1


def test_an_application_with_pages_gets_events_only_after_install_finish(portal, receiver, helpers):
    app = portal.install_app(receiver.url, kind="ui")
    b24 = helpers.Bitrix(portal, app)
    b24.attach(b24.register().result)
    client = portal.client("Анна")
    client.writes("рано")
    app.install_finish()
    client.writes("пора")
    assert portal.wait_quiet()
    assert [got.form["data[PARAMS][MESSAGE]"] for got in receiver.of("ONIMBOTMESSAGEADD")] == ["пора"]
    assert not receiver.of("ONAPPINSTALL")


def test_the_browser_opens_an_application_with_the_recorded_form(portal, receiver):
    app = portal.install_app(receiver.url, kind="ui")
    opened = app.open()
    assert set(opened.form) == keys_of("opened__install_page")
    assert {key for key, _ in parse_qsl(urlsplit(opened.url).query)} == {"DOMAIN", "PROTOCOL", "LANG", "APP_SID"}
    placement = app.open(placement="SETTING_CONNECTOR", options={"CONNECTOR": "acme_avito", "LINE": "3"})
    assert set(placement.form) - keys_of("opened__connector_settings") <= {"SERVER_ENDPOINT"}


def test_second_generation_bots_get_one_post_each_with_their_own_keys(portal, receiver, b24):
    fields = {"code": "v2", "properties": {"name": "Бот"}, "type": "openline", "eventMode": "webhook"}
    answer = b24("imbot.v2.Bot.register", fields=fields | {"webhookUrl": receiver.url})
    b24.attach(answer.result["bot"]["id"])
    message = portal.client("Анна").writes("привет")
    assert portal.wait_quiet()
    (got,) = receiver.of("ONIMBOTV2MESSAGEADD")
    assert got.form["data[message][id]"] == str(message.message_id)
    assert got.form["data[message][isSystem]"] == "0"
    assert got.form["data[chat][dialogId]"] == f"chat{message.chat_id}"
    assert got.form["data[bot][auth][application_token]"] == b24.app.application_token
    assert len(receiver.of("ONIMBOTV2JOINCHAT")) == 1
