"""The OAuth server: rotation, expiry, refusals."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlencode

import pytest


@pytest.fixture
def token(portal, app, helpers):
    """Ask for tokens; GET unless `post`."""

    def ask(post: bool = False, **params):
        known = {"client_id": app.client_id, "client_secret": app.client_secret, "grant_type": "refresh_token"}
        query = urlencode(known | params)
        if post:
            return helpers.http(f"{portal.oauth_url}/oauth/token/", query.encode())
        return helpers.http(f"{portal.oauth_url}/oauth/token/?{query}")

    return ask


def test_a_refresh_gives_a_new_pair_and_kills_the_old_refresh_token(portal, app, token, helpers):
    old = app.tokens()
    fresh = token(refresh_token=old.refresh_token)
    assert fresh.status == 200
    assert set(fresh.body) == {
        "access_token", "client_endpoint", "domain", "expires", "expires_in", "member_id", "refresh_token", "scope",
        "server_endpoint", "status", "user_id",
    }  # fmt: skip
    assert helpers.http(f"{portal.rest_url}profile?auth={fresh.body['access_token']}").status == 200
    assert token(refresh_token=old.refresh_token).error == (400, "invalid_grant")
    assert token(post=True, refresh_token=fresh.body["refresh_token"]).status == 200


def test_the_domain_of_a_refresh_is_the_oauth_host(portal, app, token):
    body = token(refresh_token=app.tokens().refresh_token).body
    assert body["domain"] == portal.oauth_url.removeprefix("http://") != portal.host
    assert body["client_endpoint"] == portal.rest_url


def test_of_parallel_refreshes_with_one_token_one_wins(app, token):
    refresh_token = app.tokens().refresh_token
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: token(refresh_token=refresh_token).status, range(8)))
    assert sorted(answers) == [200] + [400] * 7


def test_refresh_tokens_live_180_days(portal, app, token):
    tokens = app.tokens()
    portal.clock.advance(179 * 24 * 3600)
    tokens = token(refresh_token=tokens.refresh_token).body
    portal.clock.advance(181 * 24 * 3600)
    assert token(refresh_token=tokens["refresh_token"]).error == (400, "invalid_grant")


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"client_secret": "wrong"}, (400, "invalid_client")),
        ({"client_id": "local.unknown"}, (400, "invalid_client")),
        ({"grant_type": "password"}, (400, "invalid_request")),
        ({"refresh_token": "0" * 70}, (400, "invalid_grant")),
    ],
)
def test_wrong_requests_are_refused_by_name(app, token, changes, error):
    assert token(**({"refresh_token": app.tokens().refresh_token} | changes)).error == error


def test_a_token_of_another_application_is_no_grant(portal, receiver, token):
    other = portal.install_app(receiver.url, send=False)
    assert token(refresh_token=other.tokens().refresh_token).error == (400, "invalid_grant")


def test_an_authorization_code_is_good_once_and_for_thirty_seconds(portal, app, token):
    code = portal.authorization_code(app)
    assert token(grant_type="authorization_code", code=code).body["user_id"] == 1
    assert token(grant_type="authorization_code", code=code).error == (400, "invalid_grant")
    late = portal.authorization_code(app)
    portal.clock.advance(31)
    assert token(grant_type="authorization_code", code=late).error == (400, "invalid_grant")


def test_the_oauth_host_tells_whose_token_it_is(portal, app, helpers):
    answer = helpers.http(f"{portal.oauth_url}/rest/app.info?auth={app.access_token()}").result
    assert (answer["client_id"], answer["install"]["member_id"]) == (app.client_id, portal.member_id)
    assert helpers.http(f"{portal.oauth_url}/rest/app.info?auth=guess").error == (401, "invalid_token")


def test_a_deleted_application_gets_no_tokens(portal, app, token):
    refresh_token = app.tokens().refresh_token
    portal.uninstall_app(app)
    assert token(refresh_token=refresh_token).error == (401, "NOT_INSTALLED")
