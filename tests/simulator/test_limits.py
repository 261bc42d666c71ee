"""Requests per second, and working time per method."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from python_bot.simulator import SimulatedPortal


def test_the_fifty_first_quick_request_is_refused(portal, b24):
    portal.limits.bucket.drain_per_s = 0  # however slow this machine is
    with ThreadPoolExecutor(8) as pool:
        statuses = list(pool.map(lambda _: b24("server.time").status, range(55)))
    assert (statuses.count(200), statuses.count(503)) == (50, 5)
    assert b24("server.time").error == (503, "QUERY_LIMIT_EXCEEDED")
    assert portal.limits.refused == 6


def test_two_requests_a_second_leak_out_of_the_bucket(portal, b24):
    bucket = portal.limits.bucket
    now = portal.clock.now()
    assert [bucket.admit("10.0.0.1", now) for _ in range(51)] == [True] * 50 + [False]
    assert bucket.admit("10.0.0.2", now)  # another address has a bucket of its own
    assert [bucket.admit("10.0.0.1", now + 2) for _ in range(5)] == [True] * 4 + [False]
    portal.clock.advance(25)
    assert [bucket.admit("10.0.0.1", portal.clock.now()) for _ in range(40)] == [True] * 40


def test_a_batch_counts_once(portal, b24):
    for _ in range(10):
        b24("batch", cmd=["server.time"] * 50)
    assert portal.limits.refused == 0


def test_a_self_hosted_portal_has_no_limit(receiver, helpers):
    with SimulatedPortal(limits=False) as portal:
        b24 = helpers.Bitrix(portal, portal.install_app(receiver.url, send=False))
        assert {b24("server.time").status for _ in range(60)} == {200}


def test_a_method_that_worked_too_long_is_blocked_alone_until_its_time_is_over(portal, b24):
    portal.limits.operating.cost_s["im.user.get"] = 300
    assert b24("im.user.get").body["time"]["operating"] == 300
    last = b24("im.user.get").body["time"]
    assert b24("im.user.get").error == (429, "OPERATION_TIME_LIMIT")
    assert b24("profile").status == 200
    inner = b24("batch", cmd={"u": "im.user.get"}).result["result_error"]["u"]
    assert inner["error"] == "OPERATION_TIME_LIMIT"
    portal.clock.advance(last["operating_reset_at"] - portal.clock.now() + 1)
    b24.token = b24.app.access_token()
    assert b24("im.user.get").status == 200


def test_a_test_can_block_a_method(portal, b24):
    portal.limits.operating.block("im.user.get", until=portal.clock.now() + 30)
    assert b24("im.user.get").error == (429, "OPERATION_TIME_LIMIT")
    portal.clock.advance(31)
    assert b24("im.user.get").status == 200
