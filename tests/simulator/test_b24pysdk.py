"""The portal seen by the official Python SDK, which nobody here wrote.

b24pysdk always speaks https and knows one OAuth host. `wired` sends those requests to the simulator instead: it
changes scheme and host of the URL just before `requests` opens a connection, and nothing else.
"""

from __future__ import annotations

from datetime import UTC, datetime
from urllib.parse import parse_qsl, urlsplit

import pytest
import requests
from b24pysdk import BitrixApp, BitrixToken, BitrixWebhook, Client, Config
from b24pysdk.credentials import OAuthEventData, OAuthPlacementData
from b24pysdk.errors import (
    BitrixAPIError,
    BitrixAPIInsufficientScope,
    BitrixAPIInvalidToken,
    BitrixAPIOperationTimeLimit,
    BitrixAPIQueryLimitExceeded,
    BitrixResponseJSONDecodeError,
)
from b24pysdk.errors.oauth import BitrixOAuthInvalidGrant


@pytest.fixture(autouse=True)
def wired(portal, monkeypatch):
    send = requests.Session.request
    hosts = {"https://oauth.bitrix24.tech": portal.oauth_url}

    def request(self, method, url, **kwargs):
        for host, real in hosts.items():
            url = url.replace(host, real)
        if url.startswith("https://127.0.0.1:"):
            url = "http" + url.removeprefix("https")
        return send(self, method, url, **kwargs)

    monkeypatch.setattr(requests.Session, "request", request)
    config = Config()
    config.configure(default_initial_retry_delay=0.01, default_max_retries=1)
    return hosts


@pytest.fixture
def sdk_app(app):
    return BitrixApp(client_id=app.client_id, client_secret=app.client_secret)


@pytest.fixture
def token(portal, app, sdk_app):
    pair = app.tokens()
    return BitrixToken(
        domain=portal.host,
        auth_token=pair.access_token,
        refresh_token=pair.refresh_token,
        expires=datetime.fromtimestamp(pair.expires, UTC),
        expires_in=3600,
        bitrix_app=sdk_app,
    )


@pytest.fixture
def client(token):
    return Client(token)


def test_ordinary_calls(portal, client, token, bot):
    message = portal.client("Анна Смирнова").writes("привет")
    assert client.profile().result["NAME"] == "Олег"
    assert client.scope().result == ["imbot", "imopenlines", "im", "disk", "user"]
    assert client.user.current().result["ID"] == "1"
    assert client.app.info().result["INSTALLED"] is True
    assert client.method.get(name="imbot.register").result["isAvailable"] is True
    handed = token.call_method("imopenlines.bot.session.operator", {"CHAT_ID": message.chat_id})
    assert handed["result"] is True
    assert portal.handed_over(message.chat_id)


def test_times_of_answers_are_understood(client):
    assert client.profile().time.date_finish.tzinfo is not None


def test_an_expired_token_is_refreshed_on_the_way(portal, app, client, token):
    old = token.refresh_token
    portal.clock.advance(3700)
    token.expires = None
    assert client.profile().result["ID"] == "1"
    assert token.refresh_token != old
    assert [call.error for call in portal.calls_of("profile")] == ["expired_token", ""]


def test_a_used_refresh_token_is_a_known_error(portal, token, sdk_app):
    old = token.refresh_token
    renewed = token.refresh_oauth_token()
    assert renewed.member_id == portal.member_id
    with pytest.raises(BitrixOAuthInvalidGrant):
        sdk_app.refresh_oauth_token(old)


def test_an_authorization_code_becomes_a_token(portal, app, sdk_app):
    renewed = sdk_app.get_oauth_token(portal.authorization_code(app))
    assert renewed.oauth_token.access_token in portal.core.tokens.access


def test_the_oauth_server_confirms_an_installation(portal, app, token):
    info = token.get_app_info().result
    assert (info.client_id, info.install.member_id) == (app.client_id, portal.member_id)


def test_batches_and_their_errors(client, token):
    result = client.call_batch({"me": client.profile(), "you": client.user.get(filter={"ID": 27})}).result
    assert result.result["me"]["ID"] == "1"
    assert result.result["you"][0]["LAST_NAME"] == "Петров"
    broken = token.call_batch({"me": ("profile", None), "nobody": ("im.user.get", {"ID": 404})})["result"]
    assert broken["result_error"]["nobody"]["error"] == "USER_NOT_EXISTS"


def test_whole_lists_are_read_page_by_page_and_by_id(portal, client):
    for number in range(100, 260):
        portal.add_user(number, f"Сотрудник {number}")
    expected = ["1", "27", *(str(number) for number in range(100, 260))]
    assert [user["ID"] for user in client.user.get().as_list().result] == expected
    assert [user["ID"] for user in client.user.get().as_list_fast().result] == expected


def test_refusals_have_names_the_sdk_knows(portal, token, receiver):
    other = portal.install_app(receiver.url, scopes=("im",), send=False)
    poor = BitrixToken(domain=portal.host, auth_token=other.access_token(), bitrix_app=token.bitrix_app)
    with pytest.raises(BitrixAPIInsufficientScope):
        poor.call_method("imbot.bot.list")
    nobody = BitrixToken(domain=portal.host, auth_token="0" * 70, bitrix_app=token.bitrix_app)
    with pytest.raises(BitrixAPIInvalidToken):
        nobody.call_method("profile")
    with pytest.raises(BitrixAPIError, match="Operator is not a bot"):
        token.call_method("imopenlines.bot.session.operator", {"CHAT_ID": 1})


def test_limits_are_known_errors(portal, client):
    portal.limits.operating.block("profile", until=portal.clock.now() + 60)
    with pytest.raises(BitrixAPIOperationTimeLimit):
        client.profile().call()
    portal.limits.bucket.depth = 0
    with pytest.raises(BitrixAPIQueryLimitExceeded):
        client.server.time().call()


def test_a_renamed_portal_is_followed(portal, client, token, wired):
    """The SDK reads the new host without its port, so the test puts the port back."""
    wired["https://127.0.0.1/"] = portal.rename() + "/"
    assert client.profile().result["ID"] == "1"
    assert token.domain == "127.0.0.1"


def test_maintenance_pages_are_no_json(portal, client):
    portal.faults.html(200)
    with pytest.raises(BitrixResponseJSONDecodeError):
        client.profile().call()


def test_incoming_webhooks(portal):
    secret = portal.add_webhook(1).rstrip("/").rsplit("/", 1)[1]
    hook = Client(BitrixWebhook(domain=portal.host, webhook_token=f"1/{secret}"))
    assert hook.profile().result["ADMIN"] is True


def test_every_event_is_read_by_its_parser(portal, receiver, b24, bot, sdk_app, helpers):
    fresh = portal.install_app(receiver.url)
    for event in ("ONSESSIONSTART", "ONSESSIONFINISH", "ONOPENLINEMESSAGEADD", "ONAPPTEST", "ONAPPUNINSTALL"):
        b24("event.bind", event=event, handler=receiver.url)
    person, operator = portal.client("Анна Смирнова"), portal.operator(27)
    first = person.writes("привет", files=[portal.file("a.jpg", b"1")])
    b24.hand_over(first)
    answer = operator.writes(first.chat_id, "здравствуйте")
    operator.edits(answer, "добрый день")
    person.deletes(first)
    operator.finishes(first.chat_id)
    b24("event.test", nonce="1")
    portal.delete_bot(bot)
    portal.uninstall_app(b24.app)
    assert portal.wait_quiet()
    seen = set()
    for got in receiver.received:
        parsed = OAuthEventData.from_dict(got.form)
        assert parsed.auth.member_id == portal.member_id
        seen.add(parsed.event)
    assert seen == {
        "ONAPPINSTALL", "ONIMBOTJOINCHAT", "ONIMBOTMESSAGEADD", "ONIMBOTMESSAGEUPDATE", "ONIMBOTMESSAGEDELETE",
        "ONIMBOTDELETE", "ONSESSIONSTART", "ONSESSIONFINISH", "ONOPENLINEMESSAGEADD", "ONAPPTEST", "ONAPPUNINSTALL",
    }  # fmt: skip
    installed = OAuthEventData.from_dict(receiver.of("ONAPPINSTALL")[0].form)
    info = installed.get_app_info(BitrixApp(client_id=fresh.client_id, client_secret=fresh.client_secret))
    install = info.result.install if hasattr(info, "result") else info.install
    assert install.member_id == installed.auth.member_id
    # Its own comparison drops the port of the endpoint but not that of the domain; cloud portals have none.
    assert install.domain == f"{installed.auth.portal_domain}:{urlsplit(portal.url).port}"


def test_the_form_of_the_browser_is_read_by_its_parser(portal, receiver, sdk_app):
    app = portal.install_app(receiver.url, kind="ui")
    opened = app.open(placement="SETTING_CONNECTOR", options={"CONNECTOR": "acme", "LINE": "3"})
    parsed = OAuthPlacementData.from_dict(dict(parse_qsl(urlsplit(opened.url).query)) | opened.form)
    assert (parsed.member_id, parsed.domain) == (portal.member_id, portal.host)
    assert parsed.placement_options == {"CONNECTOR": "acme", "LINE": "3"}
