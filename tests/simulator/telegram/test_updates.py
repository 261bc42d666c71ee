"""Who gets updates, in what order, and what happens when two want them."""

from __future__ import annotations

import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest


@pytest.fixture
def hook():
    """Takes webhooks; `answer(update)` says with which status."""

    class Hook:
        def __init__(self):
            self.got, self.secrets, self.answer, self.headers = [], set(), lambda update: 200, {}
            hook = self

            class Handler(BaseHTTPRequestHandler):
                def do_POST(self):
                    update = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                    hook.secrets.add(self.headers["X-Telegram-Bot-Api-Secret-Token"])
                    status = hook.answer(update)
                    hook.got.append((update["update_id"], status, update))
                    self.send_response(status)
                    for name, value in hook.headers.items():
                        self.send_header(name, value)
                    self.send_header("Content-Length", "0")
                    self.end_headers()

                def log_message(self, *args):
                    pass

            self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
            self.url = f"http://127.0.0.1:{self.server.server_address[1]}/tg/webhook"
            self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01})
            self.thread.start()

        def texts(self, status=200):
            return [update["message"]["text"] for _, got, update in self.got if got == status]

    found = Hook()
    yield found
    found.server.shutdown()
    found.server.server_close()
    found.thread.join()


def texts(answer):
    return [update["message"]["text"] for update in answer.result]


def test_confirming_is_asking_for_the_next(telegram, api, bot, olga):
    for number in range(5):
        olga.writes(str(number))
    first = api("getUpdates", limit=2).result
    assert [update["update_id"] for update in first] == [first[0]["update_id"], first[0]["update_id"] + 1]
    last = first[-1]["update_id"]
    assert texts(api("getUpdates", offset=last + 1, limit=100)) == ["2", "3", "4"]
    assert texts(api("getUpdates", offset=-1)) == ["4"]
    assert [update.payload["text"] for update in telegram.pending(bot)] == ["4"]
    assert texts(api("getUpdates", offset=last + 9000)) == ["4"]
    assert api("getUpdates", offset=last + 4).result == []


def test_after_a_silent_week_numbers_may_fall(telegram, api, bot, olga):
    olga.writes("до")
    before = api("getUpdates").result[0]["update_id"]
    assert api("getUpdates", offset=before + 1, timeout=0).result == []
    telegram.skip_to_update(bot, 1234)
    olga.writes("после")
    found = api("getUpdates", offset=before + 1).result
    assert [update["update_id"] for update in found] == [1234]
    assert api("getUpdates", offset=1235).result == []


def test_updates_are_kept_for_a_day(telegram, api, olga):
    olga.writes("старое")
    telegram.clock.advance(24 * 3600)
    olga.writes("новое")
    assert texts(api("getUpdates")) == ["новое"]


def test_asking_at_once_again_gets_one(still, api, olga):
    for number in range(3):
        olga.writes(str(number))
    assert len(api("getUpdates").result) == 3
    assert texts(api("getUpdates")) == ["0"]


def test_of_two_pollers_the_older_is_sent_away(telegram, api, bot, olga):
    telegram.core.queues[bot.id].conflict_delay_s = 0.05
    with ThreadPoolExecutor(2) as pool:
        older = pool.submit(api, "getUpdates", timeout=20)
        time.sleep(0.1)
        younger = pool.submit(api, "getUpdates", timeout=20)
        code, description = older.result(5).refusal
        assert code == 409 and description.startswith("Conflict: terminated by other getUpdates request")
        olga.writes("кому?")
        assert texts(younger.result(5)) == ["кому?"]


def test_a_short_poll_steals_without_a_word(api, olga):
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(api, "getUpdates", timeout=2)
        time.sleep(0.05)
        assert api("getUpdates", offset=7, timeout=0).result == []
        olga.writes("раз")
        assert texts(waiting.result(5)) == ["раз"]


def test_kinds_are_asked_for_once_and_stay(telegram, api, bot, olga):
    api("getUpdates", allowed_updates=["message"])
    olga.blocks_bot()
    olga.unblocks_bot()
    olga.writes("x")
    assert [list(update)[1] for update in api("getUpdates", offset=1).result] == ["message"]
    assert api("getWebhookInfo").result["allowed_updates"] == ["message"]
    api("getUpdates", offset=telegram.pending(bot)[-1].update_id + 1, allowed_updates=[])
    olga.blocks_bot()
    assert [list(update)[1] for update in api("getUpdates").result] == ["my_chat_member"]


def test_a_webhook_gets_everything_with_its_secret(still, telegram, api, bot, olga, hook):
    olga.writes("до")
    answer = api("setWebhook", url=hook.url, secret_token="S3cret_demo-1", max_connections=10)
    assert answer.body == {"ok": True, "result": True, "description": "Webhook was set"}
    olga.writes("после")
    assert telegram.wait_confirmed(bot)
    assert hook.texts() == ["до", "после"] and hook.secrets == {"S3cret_demo-1"}
    assert api("getUpdates").refusal[0] == 409
    info = api("getWebhookInfo").result
    assert (info["url"], info["pending_update_count"], info["max_connections"]) == (hook.url, 0, 10)
    telegram.clock.advance(2)
    assert api("setWebhook", url=hook.url, secret_token="S3cret_demo-1", max_connections=10).body["description"] == (
        "Webhook is already set"
    )
    assert api("setWebhook", url=hook.url).refusal == (429, "Too Many Requests: retry after 1")
    assert api("deleteWebhook").body["description"] == "Webhook was deleted"
    assert api("deleteWebhook").body["description"] == "Webhook is already deleted"
    olga.writes("снова вручную")
    assert texts(api("getUpdates")) == ["снова вручную"]


def test_setting_a_webhook_ends_a_poll(telegram, api, bot, hook):
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(api, "getUpdates", timeout=20)
        time.sleep(0.1)
        api("setWebhook", url=hook.url)
        assert waiting.result(5).refusal[1] == "Conflict: terminated by setWebhook request"


def test_what_a_webhook_refuses_comes_again_and_holds_up_its_chat_only(telegram, api, bot, olga, hook):
    pyotr = telegram.client(bot, "Пётр")
    refusals = iter([500, 500, 403])
    hook.answer = lambda update: next(refusals, 200) if update["message"]["text"] == "яд" else 200
    api("setWebhook", url=hook.url)
    olga.writes("яд")
    olga.writes("за ядом")
    pyotr.writes("рядом")
    assert telegram.wait_confirmed(bot)
    assert [text for text in hook.texts() if text != "рядом"] == ["яд", "за ядом"]
    assert hook.texts(500) == ["яд", "яд"] and hook.texts(403) == ["яд"]
    assert "Wrong response from the webhook: 403" in api("getWebhookInfo").result["last_error_message"]


def test_retry_after_of_a_webhook_is_obeyed(telegram, api, bot, olga, hook):
    hook.headers = {"Retry-After": "30"}  # a hundredth of it here
    hook.answer = lambda update: 503 if not hook.got else 200
    api("setWebhook", url=hook.url)
    began = time.monotonic()
    olga.writes("x")
    assert telegram.wait_confirmed(bot) and time.monotonic() - began >= 0.3


def test_an_update_may_come_twice_or_late(telegram, api, bot, olga, hook):
    api("setWebhook", url=hook.url)
    telegram.faults.double_webhooks(1)
    olga.writes("дважды")
    assert telegram.wait_confirmed(bot)
    assert hook.texts() == ["дважды", "дважды"]
    telegram.faults.webhooks_held = True
    olga.writes("потом")
    time.sleep(0.1)
    assert hook.texts()[2:] == [] and len(telegram.pending(bot)) == 1
    telegram.faults.clear()
    assert telegram.wait_confirmed(bot) and hook.texts()[2:] == ["потом"]


def test_addresses_that_no_webhook_may_have(telegram, api):
    def refused(url, **params):
        return api("setWebhook", url=url, **params).refusal[1].removeprefix("Bad Request: ")

    assert refused("http://bot.example.org/x") == "bad webhook: An HTTPS URL must be provided for webhook"
    assert "only on ports 80, 88, 443 or 8443" in refused("https://bot.example.org:8080/x")
    assert "Failed to resolve host" in refused("https://bot.example.org/x")
    assert "secret token" in refused("https://bot.example.org/x", secret_token="с пробелом")
    telegram.route("https://bot.example.org", "http://127.0.0.1:9")
    assert api("setWebhook", url="https://bot.example.org/x").status == 200


def test_groups_tell_little_to_a_bot_with_privacy(telegram, api, bot):
    group = telegram.group(bot, status="member", rights=(), forum=False)
    maria = group.member("Мария")
    for text in ("секрет", "/help", f"@{bot.username} привет"):
        maria.writes(text)
    sent = api("sendMessage", chat_id=group.id, text="вопрос").result
    maria.writes("ответ", reply_to=group.chat.messages[sent["message_id"]])
    assert texts(api("getUpdates")) == ["/help", f"@{bot.username} привет", "ответ"]
    group.set_bot(bot, "administrator")
    maria.writes("всё видно")
    assert texts(api("getUpdates", offset=telegram.pending(bot)[-1].update_id)) == ["всё видно"]
