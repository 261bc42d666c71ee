"""Webhooks of Avito: registered under several addresses, brought once or twice or never, about everybody's words."""

from __future__ import annotations

from urllib.parse import quote

import pytest

SUBSCRIPTIONS = "/messenger/v1/subscriptions"


def subscribe(api, url, version=3):
    return api("POST", f"/messenger/v{version}/webhook", {"url": url, "events": ["message"]})


def test_registration_lists_and_takes_back(avito, api, shop):
    shop.subscribed_elsewhere(["https://othercrm.example.net/hook"])
    ours = "https://bot.example.org/api/webhooks/avito/messages/7/Zm9v"
    assert subscribe(api, ours).ok == {"ok": True}
    assert subscribe(api, ours).status == 200
    avito.build.repeat_is_conflict = True
    assert subscribe(api, ours).status == 409
    assert api("GET", SUBSCRIPTIONS).status == 404
    found = api("POST", SUBSCRIPTIONS, {}).ok["subscriptions"]
    assert {one["url"]: one["version"] for one in found} == {"https://othercrm.example.net/hook": "2", ours: "3"}
    assert api("POST", "/messenger/v1/webhook/unsubscribe", {"url": ours}).ok == {"ok": True}
    assert [one.url for one in shop.subscriptions] == ["https://othercrm.example.net/hook"]
    assert subscribe(api, "http://plain.example.org/x").status == 400


@pytest.mark.parametrize("status", [404, 410])
def test_older_addresses_are_left_when_the_newest_is_gone(avito, api, hook, ivan, status):
    avito.build.hook_versions, avito.build.missing_hook_status = ("2",), status
    assert [subscribe(api, hook.url, version).status for version in (3, 2, 1)] == [status, 200, status]
    ivan.writes("по-старому")
    assert avito.wait_quiet()
    assert hook.bodies[0].keys() == {"type", "value"}


def test_everybodys_words_come_the_own_too(avito, api, hook, shop, ivan):
    subscribe(api, hook.url)
    ivan.writes("Торг уместен?")
    shop.writes(ivan.chat, "из приложения")
    path = "/messenger/v1/accounts/{u}/chats/" + quote(ivan.chat.id, safe="") + "/messages"
    sent = api("POST", path, {"type": "text", "message": {"text": "через API"}}).ok
    assert avito.wait_quiet()
    values = [body["payload"]["value"] for body in hook.bodies]
    assert [value["author_id"] == value["user_id"] for value in values] == [False, True, True]
    assert values[2]["id"] == sent["id"] and "direction" not in values[2]
    assert all(delivery.ok for delivery in avito.deliveries)


def test_a_webhook_may_come_before_the_answer(avito, api, hook, ivan):
    subscribe(api, hook.url)
    avito.build.echo_first, hook.sleep_s = True, 0.1
    path = "/messenger/v1/accounts/{u}/chats/" + quote(ivan.chat.id, safe="") + "/messages"
    sent = api("POST", path, {"type": "text", "message": {"text": "эхо"}}).ok
    assert hook.bodies[0]["payload"]["value"]["id"] == sent["id"]


def test_whoever_answers_late_or_badly_is_told_a_few_times(avito, api, hook, ivan):
    subscribe(api, hook.url)
    hook.status = 500
    ivan.writes("раз")
    assert avito.wait_quiet() and len(hook.bodies) == 3
    hook.status, hook.sleep_s, avito.hooks.deadline_s = 200, 0.15, 0.05
    ivan.writes("два")
    assert avito.wait_quiet() and len(hook.bodies) == 6
    assert [delivery.status for delivery in avito.deliveries] == [500, 500, 500, 0, 0, 0]


def test_webhooks_are_lost_doubled_and_mixed(avito, api, hook, ivan):
    subscribe(api, hook.url)
    avito.faults.lose_webhooks(1)
    ivan.writes("потеряно")
    avito.faults.double_webhooks(1)
    ivan.writes("дважды")
    assert avito.wait_quiet() and hook.texts == ["дважды", "дважды"]
    assert hook.bodies[0]["id"] != hook.bodies[1]["id"]
    hook.bodies.clear()
    avito.hooks.parallel, hook.sleep_s = 2, 0.2
    avito.faults.double_webhooks(1)
    ivan.writes("разом")
    assert avito.wait_quiet() and hook.texts == ["разом", "разом"] and hook.most_at_once == 2
    avito.hooks.parallel = 1
    hook.bodies.clear()
    avito.faults.shuffle_webhooks, hook.sleep_s = True, 0.01
    for number in range(20):
        ivan.writes(str(number))
    assert avito.wait_quiet()
    assert hook.texts != sorted(hook.texts, key=int) and sorted(hook.texts, key=int) == [str(n) for n in range(20)]
    avito.faults.webhooks_lost = True
    ivan.writes("мимо")
    assert avito.wait_quiet() and len(hook.bodies) == 20


def test_errors_have_more_than_one_shape(avito, api, ivan):
    path = "/core/v1/accounts/self"
    avito.faults.refuse(503, path, retry_after=7)
    answer = api("GET", path)
    assert (answer.status, answer.headers["Retry-After"]) == (503, "7") and answer.body["error"]["code"] == 503
    avito.faults.refuse_without_body(500)
    assert api("GET", path).body == b""
    avito.faults.loose_errors = True
    avito.faults.refuse(403)
    assert api("GET", path).body == {"result": {"status": False, "message": "Forbidden"}}
    avito.faults.lose("answer", "/messages")
    messages = "/messenger/v1/accounts/{u}/chats/" + quote(ivan.chat.id, safe="") + "/messages"
    with pytest.raises(OSError):
        api("POST", messages, {"type": "text", "message": {"text": "дошло"}})
    assert [message.text for message in ivan.shown] == ["дошло"]
    avito.faults.lose("request", "/messages")
    with pytest.raises(OSError):
        api("POST", messages, {"type": "text", "message": {"text": "не дошло"}})
    assert [message.text for message in ivan.shown] == ["дошло"]
