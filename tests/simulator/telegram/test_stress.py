"""A thousand messages each way through everything that goes wrong at once: the messenger loses and doubles none."""

from __future__ import annotations

import contextlib
import json
import random
import threading
from collections import Counter, defaultdict
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

PEOPLE, EACH = 20, 50


class Store:
    """What a bot must do: keep every update, know it again by its number, confirm only then."""

    def __init__(self):
        self.lock, self.seen, self.texts = threading.Lock(), set(), defaultdict(list)

    def take(self, update):
        with self.lock:
            if update["update_id"] not in self.seen:
                self.seen.add(update["update_id"])
                self.texts[update["message"]["chat"]["id"]].append(update["message"]["text"])


def poll(api, store, stopping):
    offset = 0
    while not stopping.is_set():
        try:
            answer = api("getUpdates", offset=offset, timeout=1)
        except OSError:
            continue
        if answer.status == 200:
            for update in answer.result:
                store.take(update)
                offset = update["update_id"] + 1


@pytest.fixture
def unreliable():
    """A webhook that refuses or hangs up every now and then, before and after it has stored an update."""
    store, luck, lock = Store(), random.Random(7), threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            update = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            with lock:
                fate = luck.random()
            if fate > 0.1:
                store.take(update)
            if 0.1 < fate < 0.2:
                return
            self.send_response(200 if fate > 0.3 else 500)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *args):
            pass

    class Server(ThreadingHTTPServer):
        request_queue_size = 256

    server = Server(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}/tg", store
    server.shutdown()
    server.server_close()
    thread.join()


def test_everything_arrives_once_and_in_order(telegram, api, bot, unreliable):
    url, store = unreliable
    telegram.flood.enabled, telegram.core.webhooks.retry_scale = False, 0.001
    telegram.core.queues[bot.id].conflict_delay_s = 0
    people = [telegram.client(bot, f"Клиент {number}") for number in range(PEOPLE)]
    stopping = threading.Event()
    with ThreadPoolExecutor(8) as pool:
        poller = pool.submit(poll, api, store, stopping)

        def talk(part):
            for number in range(EACH):
                for person in part:
                    person.writes(f"{person.id}: {number}")
                    if number == EACH // 2 and person is people[0]:
                        telegram.faults.lose("answer", "getUpdates", 3)
                        telegram.faults.refuse("getUpdates", 502, "Bad Gateway", 2)
                        assert api("setWebhook", url=url).status == 200

        try:
            list(pool.map(talk, (people[:10], people[10:])))
            assert telegram.wait_confirmed(bot, 20)
        finally:
            stopping.set()
        poller.result(10)
    expected = {person.id: [f"{person.id}: {number}" for number in range(EACH)] for person in people}
    assert store.texts == expected and len(store.seen) == PEOPLE * EACH


def test_a_thousand_answers_with_lost_connections(telegram, api, bot):
    telegram.flood.enabled = False
    people = [telegram.client(bot, f"Клиент {number}") for number in range(PEOPLE)]
    for _ in range(20):
        telegram.faults.lose("request", "sendMessage")
        telegram.faults.flood(1)
        telegram.faults.break_down("sendMessage")

    def answer(person):
        for number in range(EACH):
            done = False
            while not done:
                with contextlib.suppress(OSError):
                    done = api("sendMessage", chat_id=person.id, text=str(number)).status == 200

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(answer, people))
    for person in people:
        assert [message.text for message in person.shown] == [str(number) for number in range(EACH)]
    assert Counter(call.status for call in telegram.calls) == {200: PEOPLE * EACH, 0: 20, 429: 20, 500: 20}
