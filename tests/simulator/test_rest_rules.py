"""What the portal accepts and how it refuses."""

from __future__ import annotations

import http.client
import json
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest


def test_a_token_may_come_in_four_ways(portal, b24, helpers):
    url, token = f"{portal.rest_url}profile", b24.token
    answers = [
        helpers.http(f"{url}?auth={token}"),
        helpers.http(f"{url}.json", helpers.form(auth=token)),
        helpers.http(url, json.dumps({"access_token": token}).encode(), "application/json"),
        helpers.http(url, b"", Authorization=f"Bearer {token}"),
    ]
    assert [answer.result["NAME"] for answer in answers] == ["Олег"] * 4


def test_nested_parameters_arrive_from_forms_and_from_json(portal, b24, helpers):
    body = helpers.form(**{"auth": b24.token, "ID[]": "27", "RESULT_TYPE": "array"})
    listed = helpers.http(f"{portal.rest_url}im.user.list.get", body)
    assert listed.result == b24("im.user.list.get", ID=[27], RESULT_TYPE="array").result
    assert listed.result[0]["name"] == "Иван Петров"


def test_answers_carry_the_time_block(b24):
    time = b24("server.time").body["time"]
    assert set(time) == {
        "start", "finish", "duration", "processing", "date_start", "date_finish", "operating_reset_at", "operating",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("token", "error"), [("", "NO_AUTH_FOUND"), ("0" * 70, "invalid_token")], ids=["none", "unknown"]
)
def test_without_a_good_token_nothing_is_told(portal, helpers, token, error):
    assert helpers.http(f"{portal.rest_url}profile", helpers.form(auth=token)).error == (401, error)


def test_tokens_expire_after_an_hour(portal, b24):
    portal.clock.advance(3599)
    assert b24("profile").status == 200
    portal.clock.advance(2)
    assert b24("profile").error == (401, "expired_token")


def test_a_dismissed_employee_and_a_client_may_not_call(portal, b24, app, helpers):
    client = portal.client("Анна")
    assert helpers.Bitrix(portal, app, client.user_id)("profile").error == (401, "ACCESS_DENIED")
    portal.core.users[1].active = False
    assert b24("profile").error == (401, "authorization_error")


def test_unknown_methods_are_404(b24):
    assert b24("imopenlines.bot.session.operators").error == (404, "ERROR_METHOD_NOT_FOUND")


def test_classic_methods_ignore_case_but_version_two_methods_do_not(b24):
    assert b24("IM.User.GET", ID=27).result["id"] == 27
    assert b24("imbot.v2.bot.list").error == (404, "ERROR_METHOD_NOT_FOUND")
    assert b24("imbot.v2.Bot.list").result == {"bots": [], "users": []}


def test_a_missing_scope_is_refused_in_the_way_the_portal_is_set_to(portal, receiver, helpers):
    b24 = helpers.Bitrix(portal, portal.install_app(receiver.url, scopes=("im", "imopenlines"), send=False))
    assert b24("imbot.bot.list").error == (401, "insufficient_scope")
    assert b24("imopenlines.bot.session.operator", CHAT_ID=1).error == (401, "insufficient_scope")
    portal.build.scope_refusal = "ERROR_METHOD_NOT_FOUND"
    assert b24("imbot.bot.list").error == (404, "ERROR_METHOD_NOT_FOUND")
    assert b24("scope").result == ["im", "imopenlines"]


@pytest.mark.parametrize(
    ("method", "lower", "error"),
    [
        ("imopenlines.config.get", {"config_id": 3}, "CONFIG_ID_EMPTY"),
        ("imopenlines.config.update", {"config_id": 3, "params": {}}, "CONFIG_ID_EMPTY"),
        ("imopenlines.session.history.get", {"session_id": 321}, "MISSING_REQUIRED_PARAM"),
    ],
)
def test_methods_that_do_not_fold_keys_ignore_lower_case(b24, method, lower, error):
    assert b24(method, **lower).error == (400, error)


def test_methods_that_fold_keys_take_any_case(portal, b24, bot):
    message = portal.client("Анна").writes("привет")
    assert b24("imopenlines.bot.session.operator", chat_id=message.chat_id).result is True


def test_incoming_webhooks_call_classic_methods_only(portal, helpers):
    hook = portal.add_webhook(1)
    assert helpers.http(f"{hook}profile.json").result["ID"] == "1"
    assert helpers.http(f"{hook}imconnector.list").error == (403, "WRONG_AUTH_TYPE")
    assert helpers.http(f"{hook}event.get").error == (403, "WRONG_AUTH_TYPE")
    assert helpers.http(f"{hook}app.info").error == (403, "ACCESS_DENIED")
    assert helpers.http(f"{portal.rest_url}1/wrong/profile").error == (401, "INVALID_CREDENTIALS")


def test_a_webhook_bot_needs_a_client_id_and_gets_it_back_as_application_token(portal, receiver, helpers):
    hook = portal.add_webhook(1)
    params = {"CODE": "w", "TYPE": "O", "EVENT_HANDLER": receiver.url, "PROPERTIES[NAME]": "Бот"}
    assert helpers.http(f"{hook}imbot.register", helpers.form(**params)).error == (403, "ACCESS_DENIED")
    bot_id = helpers.http(f"{hook}imbot.register", helpers.form(**params, CLIENT_ID="my-secret")).result
    portal.line(3).fields |= {"WELCOME_BOT_ENABLE": "Y", "WELCOME_BOT_ID": str(bot_id)}
    portal.client("Анна").writes("привет")
    assert portal.wait_quiet()
    got = receiver.of("ONIMBOTMESSAGEADD")[0]
    assert got.form["auth[application_token]"] == "my-secret"
    assert got.path.endswith("?CLIENT_ID=my-secret")
    assert "auth[access_token]" not in got.form


def test_lists_come_in_pages_of_fifty(portal, b24):
    for number in range(100, 160):
        portal.add_user(number, f"Сотрудник {number}")
    first = b24("user.get")
    assert (len(first.result), first.body["next"], first.body["total"]) == (50, 50, 62)
    second = b24("user.get", start=50)
    assert len(second.result) == 12
    assert "next" not in second.body
    uncounted = b24("user.get", start=-1, filter={">ID": 100})
    assert "total" not in uncounted.body
    assert uncounted.result[0]["ID"] == "101"


def test_employees_only_are_listed(portal, b24, bot):
    portal.client("Анна")
    assert [user["ID"] for user in b24("user.get").result] == ["1", "27"]


def test_methods_say_what_exists_and_what_is_available(portal, receiver, helpers):
    b24 = helpers.Bitrix(portal, portal.install_app(receiver.url, scopes=("im",), send=False))
    assert b24("method.get", name="im.user.get").result == {"isExisting": True, "isAvailable": True}
    assert b24("method.get", name="imbot.register").result == {"isExisting": True, "isAvailable": False}
    portal.build.v2_supported = False
    assert b24("method.get", name="imbot.v2.Bot.register").result == {"isExisting": False, "isAvailable": False}
    assert "imbot.register" not in b24("methods").result


def test_the_authorization_page_sends_the_browser_back_with_a_code(portal, app, helpers):
    answer = helpers.http(f"{portal.url}/oauth/authorize/?{urlencode({'client_id': app.client_id, 'state': 's1'})}")
    assert answer.status == 302
    back = dict(parse_qsl(urlsplit(answer.headers["Location"]).query))
    assert set(back) == {"code", "state", "domain", "member_id", "scope", "server_domain"}
    assert (back["state"], back["domain"]) == ("s1", portal.host)


def test_files_are_downloaded_with_a_short_lived_token(portal, b24, bot, helpers):
    message = portal.client("Анна").writes(files=[portal.file("чек №7.jpg", b"\xff\xd8jpeg")])
    file_id = message.files[0].file_id
    answer = b24("disk.file.get", id=file_id).result
    assert (answer["NAME"], answer["SIZE"]) == ("чек №7.jpg", "6")
    assert helpers.http(answer["DOWNLOAD_URL"]).body == b"\xff\xd8jpeg"
    other = answer["DOWNLOAD_URL"].replace("auth=", "auth=0")
    assert helpers.http(other).status == 403
    assert helpers.http(answer["DOWNLOAD_URL"].replace("auth=", "nothing=")).status == 403
    portal.clock.advance(3601)
    assert helpers.http(answer["DOWNLOAD_URL"]).status == 403
    assert helpers.http(f"{portal.rest_url}download.json?token=disk%7Cguess").status == 403


def test_a_link_from_the_chat_is_good_for_one_download(portal, b24, bot, helpers):
    message = portal.client("Анна").writes(files=[portal.file("чек №7.jpg", b"\xff\xd8jpeg")])
    file_id, dialog = message.files[0].file_id, f"chat{message.chat_id}"
    url = b24("im.v2.File.download", dialogId=dialog, fileId=file_id).result["downloadUrl"]
    assert helpers.http(url).body == b"\xff\xd8jpeg"
    assert helpers.http(url).status == 403
    late = b24("im.v2.File.download", dialogId=dialog, fileId=file_id).result["downloadUrl"]
    portal.clock.advance(301)
    assert helpers.http(late).status == 403
    assert b24("im.v2.File.download", dialogId=dialog, fileId=1).error == (404, "FILE_NOT_FOUND")
    assert b24("imbot.v2.File.download", botId=bot, fileId=file_id).error == (400, "BOT_NOT_FOUND")  # a bot of v1


def test_downloads_go_wrong_when_asked_to(portal, b24, bot, helpers):
    content = b"0123456789" * 10
    message = portal.client("Анна").writes(files=[portal.file("a.bin", content)])

    def download():
        return helpers.http(b24("disk.file.get", id=message.files[0].file_id).result["DOWNLOAD_URL"])

    portal.downloads.wrong_size(missing=3)
    assert download().body == content[:-3]
    portal.downloads.status(404)
    assert download().status == 404
    portal.downloads.redirect()
    moved = download()
    assert moved.status == 302 and helpers.http(moved.headers["Location"]).body == content
    portal.downloads.cut(after=50)
    with pytest.raises(http.client.IncompleteRead):
        download()
    portal.downloads.cut(after=50)
    portal.downloads.clear()
    assert download().body == content


def test_strangers_may_not_read_a_chat(portal, app, helpers, bot):
    portal.add_user(99, "Посторонний Человек")
    stranger = helpers.Bitrix(portal, app, 99)
    message = portal.client("Анна").writes("секрет", files=[portal.file("a.txt", b"1")])
    dialog = f"chat{message.chat_id}"
    assert stranger("im.dialog.messages.get", DIALOG_ID=dialog).error == (403, "ACCESS_ERROR")
    assert stranger("imopenlines.dialog.get", CHAT_ID=message.chat_id).error == (403, "ACCESS_ERROR")
    refused = stranger("imopenlines.session.history.get", SESSION_ID=message.session_id)
    assert refused.error == (400, "ACCESS_DENIED")
    assert stranger("disk.file.get", id=message.files[0].file_id).error == (403, "ACCESS_DENIED")
    assert helpers.Bitrix(portal, app, 27)("im.dialog.get", DIALOG_ID=dialog).result["id"] == message.chat_id


def test_calls_are_recorded_with_batches_opened_up(portal, b24):
    b24("batch", cmd={"a": "profile", "b": "im.user.get?ID=404"})
    assert [(c.method, c.in_batch, c.error) for c in portal.calls] == [
        ("profile", True, ""),
        ("im.user.get", True, "USER_NOT_EXISTS"),
        ("batch", False, ""),
    ]
    assert portal.calls_of("im.user.get")[0].params == {"ID": "404"}
    assert all(b24.token not in str(call.params) for call in portal.calls)


def test_a_url_that_is_too_long_is_refused_by_the_web_server(portal, b24, helpers):
    assert helpers.http(f"{portal.rest_url}profile?auth={b24.token}&x={'1' * 8192}").status == 414
