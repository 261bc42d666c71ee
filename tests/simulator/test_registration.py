"""imbot.register, event.bind and the lines they are for: the traps."""

from __future__ import annotations

import pytest


def test_registering_again_keeps_bot_and_name_but_moves_the_handlers(portal, receiver, b24, helpers):
    other = helpers.Receiver()
    try:
        bot_id = b24.register().result
        again = b24.register(EVENT_HANDLER=other.url, PROPERTIES={"NAME": "Другое имя"})
        assert again.result == bot_id
        assert b24("imbot.bot.list").result[str(bot_id)]["NAME"] == "Архивариус"
        assert {row["handler"] for row in b24("event.get").result} == {other.url}
        b24.attach(bot_id)
        portal.client("Анна").writes("привет")
        assert portal.wait_quiet()
        assert (len(receiver.received), len(other.of("ONIMBOTMESSAGEADD"))) == (0, 1)
    finally:
        other.close()


def test_a_foreign_code_gives_a_foreign_bot(portal, receiver, b24, helpers):
    bot_id = b24.register().result
    stranger = helpers.Bitrix(portal, portal.install_app(receiver.url, send=False))
    assert stranger.register().result == bot_id
    assert stranger("imbot.update", BOT_ID=bot_id, FIELDS={}).error == (400, "APP_ID_ERROR")
    fields = {"code": "archive_acme", "properties": {"name": "Бот"}}
    assert stranger("imbot.v2.Bot.register", fields=fields).error == (400, "BOT_CODE_ALREADY_TAKEN")


def test_a_portal_may_answer_a_repeated_registration_with_a_string(portal, b24):
    portal.build.bot_id_as_text = True
    assert [b24.register().result, b24.register().result] == [597, "597"]


@pytest.mark.parametrize(
    "url", ["http://localhost/x", "http://localhost:8080/x", "https://intranet/x", "http://.ru/x", "ftp://bots.ru/x"]
)
def test_handler_urls_without_a_dot_in_the_host_are_refused(b24, url):
    assert b24.register(EVENT_HANDLER=url).error == (400, "EVENT_MESSAGE_ADD_ERROR")
    refused = b24("event.bind", event="ONAPPTEST", handler=url).body["error"]
    assert refused == ("ERROR_UNSUPPORTED_PROTOCOL" if url.startswith("ftp") else "ERROR_WRONG_HANDLER_URL")


@pytest.mark.parametrize("url", ["http://10.0.0.7/x", "https://бот.рф:8443/x", "http://bots.example.ru"])
def test_addresses_and_any_port_are_fine(b24, url):
    assert b24.register(EVENT_HANDLER=url).status == 200


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"CODE": ""}, "CODE_ERROR"),
        ({"PROPERTIES": {}}, "NAME_ERROR"),
        ({"EVENT_HANDLER": ""}, "EVENT_MESSAGE_ADD_ERROR"),
        ({"EVENT_HANDLER": "", "EVENT_MESSAGE_ADD": "http://a.ru"}, "EVENT_WELCOME_MESSAGE_ERROR"),
    ],
)
def test_an_incomplete_registration_is_refused(b24, changes, error):
    assert b24.register(**changes).error == (400, error)


def test_no_bots_are_an_empty_list_not_an_object(b24):
    assert b24("imbot.bot.list").result == []


def test_renaming_needs_an_update(b24):
    bot_id = b24.register().result
    assert b24("imbot.update", BOT_ID=bot_id, FIELDS={"PROPERTIES": {"NAME": "Новое имя"}}).result is True
    assert b24("imbot.bot.list").result[str(bot_id)]["NAME"] == "Новое имя"


def test_an_unregistered_bot_is_gone(portal, receiver, b24, bot):
    message = portal.client("Анна").writes("привет")
    assert b24("imbot.unregister", BOT_ID=bot).result is True
    assert b24("imbot.message.add", DIALOG_ID=f"chat{message.chat_id}", MESSAGE="?").error == (400, "BOT_ID_ERROR")
    assert portal.wait_quiet()
    assert len(receiver.of("ONIMBOTDELETE")) == 1


def test_binding_twice_is_an_error_and_unbinding_counts(b24, receiver):
    bind = {"event": "ONAPPTEST", "handler": receiver.url}
    assert b24("event.bind", **bind).result is True
    assert b24("event.bind", **bind).error == (400, "ERROR_CORE")
    assert b24("event.unbind", **bind).result == {"count": 1}
    assert b24("event.unbind", **bind).result == {"count": 0}


def test_only_known_events_of_granted_scopes_can_be_bound(portal, receiver, helpers, b24):
    assert b24("event.bind", event="ONNOTHING", handler=receiver.url).error == (400, "ERROR_EVENT_NOT_FOUND")
    im_only = helpers.Bitrix(portal, portal.install_app(receiver.url, scopes=("im",), send=False))
    refused = im_only("event.bind", event="ONSESSIONFINISH", handler=receiver.url)
    assert refused.error == (400, "ERROR_EVENT_NOT_FOUND")


def test_handlers_of_a_registration_are_listed_with_the_bound_ones(b24, receiver):
    b24.register()
    b24("event.bind", event="ONSESSIONFINISH", handler=receiver.url)
    rows = b24("event.get").result
    assert {row["event"] for row in rows} >= {
        "ONIMBOTMESSAGEADD",
        "ONIMBOTJOINCHAT",
        "ONIMBOTDELETE",
        "ONSESSIONFINISH",
    }
    assert rows[0] == {"event": "ONIMBOTMESSAGEADD", "handler": receiver.url, "auth_type": "0", "offline": 0}


@pytest.mark.parametrize(
    ("error", "params"),
    [
        ("DIALOG_ID_EMPTY", {"MESSAGE": "х"}),
        ("MESSAGE_EMPTY", {"DIALOG_ID": "chat1763"}),
        ("WRONG_REQUEST", {"DIALOG_ID": "chat9", "MESSAGE": "х"}),
        ("BOT_ID_ERROR", {"BOT_ID": 5, "DIALOG_ID": "chat1763", "MESSAGE": "х"}),
    ],
)
def test_a_bot_speaks_only_where_it_is_a_member(portal, b24, bot, error, params):
    portal.client("Анна").writes("привет")
    assert b24("imbot.message.add", **params).error == (400, error)


def test_a_line_answers_with_strings_and_its_defaults(b24):
    (line,) = b24("imopenlines.config.list.get").result
    assert line == {
        "ID": "3", "LINE_NAME": "Продажи", "ACTIVE": "Y", "WELCOME_BOT_ENABLE": "N", "WELCOME_BOT_ID": "0",
        "WELCOME_BOT_JOIN": "always", "WELCOME_BOT_TIME": "600", "WELCOME_BOT_LEFT": "queue",
    }  # fmt: skip
    assert b24("imopenlines.config.get", CONFIG_ID=3).result["QUEUE"] == ["27"]
    assert b24("imopenlines.config.get", CONFIG_ID=9).result is False


@pytest.mark.parametrize("field", [{"WELCOME_BOT_TIME": 90}, {"WELCOME_BOT_LEFT": "close"}, {"WELCOME_BOT_ID": 5}])
def test_bot_settings_sent_without_enable_fall_back(b24, bot, field):
    assert b24("imopenlines.config.update", CONFIG_ID=3, PARAMS=field).result is True
    line = b24("imopenlines.config.get", CONFIG_ID=3).result
    assert (line["WELCOME_BOT_ID"], line["WELCOME_BOT_TIME"], line["WELCOME_BOT_LEFT"]) == ("0", "600", "queue")


def test_other_fields_leave_the_bot_alone(b24, bot):
    assert b24("imopenlines.config.update", CONFIG_ID=3, PARAMS={"LINE_NAME": "Опт"}).result is True
    line = b24("imopenlines.config.get", CONFIG_ID=3).result
    assert (line["LINE_NAME"], line["WELCOME_BOT_ID"], line["WELCOME_BOT_LEFT"]) == ("Опт", "597", "close")


def test_lines_are_changed_by_administrators_only(portal, app, helpers):
    operator = helpers.Bitrix(portal, app, 27)
    refused = operator("imopenlines.config.update", CONFIG_ID=3, PARAMS={"LINE_NAME": "х"})
    assert refused.error == (403, "CONFIG_WRONG_USER_PERMISSION")
    assert operator("profile").result["ADMIN"] is False


def test_lines_can_be_selected_and_filtered(portal, b24):
    portal.add_line("Поддержка", active=False)
    query = {"select": ["ID", "LINE_NAME"], "filter": {"ACTIVE": "Y"}, "order": {"ID": "DESC"}}
    assert b24("imopenlines.config.list.get", PARAMS=query).result == [{"ID": "3", "LINE_NAME": "Продажи"}]
    assert len(b24("imopenlines.config.list.get", PARAMS={"limit": 1, "offset": 1}).result) == 1


def test_fetching_bots_read_their_log_and_confirm_it(portal, receiver, b24):
    bot_id = b24(
        "imbot.v2.Bot.register", fields={"code": "f", "properties": {"name": "Бот"}, "type": "openline"}
    ).result["bot"]["id"]
    b24.attach(bot_id, WELCOME_BOT_TIME=0)
    client = portal.client("Анна")
    client.writes("раз")
    client.writes("два")
    first = b24("imbot.v2.Event.get", botId=bot_id, limit=2).result
    assert [row["type"] for row in first["events"]] == ["ONIMBOTV2JOINCHAT", "ONIMBOTV2MESSAGEADD"]
    assert first["hasMore"] is True
    second = b24("imbot.v2.Event.get", botId=bot_id, offset=first["nextOffset"]).result
    assert [row["data"]["message"]["text"] for row in second["events"]] == ["два"]
    assert b24("imbot.v2.Event.get", botId=bot_id).result["events"] == second["events"]
    portal.clock.advance(24 * 3600 + 1)
    b24.token = b24.app.access_token()
    assert b24("imbot.v2.Event.get", botId=bot_id).result["events"] == []
    assert receiver.received == []


def test_version_two_checks_the_owner(portal, receiver, b24, helpers):
    stranger = helpers.Bitrix(portal, portal.install_app(receiver.url, send=False))
    fields = {"code": "f", "properties": {"name": "Бот"}}
    bot_id = b24("imbot.v2.Bot.register", fields=fields).result["bot"]["id"]
    assert b24("imbot.v2.Bot.register", fields=fields).result["bot"]["id"] == bot_id
    assert stranger("imbot.v2.Event.get", botId=bot_id).error == (403, "BOT_OWNERSHIP_ERROR")
    assert b24("imbot.v2.Bot.get", botId=1).error == (400, "BOT_NOT_FOUND")
