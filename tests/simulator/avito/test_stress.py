"""Many buyers at once, with webhooks lost, doubled and mixed: the list of messages still has each of them once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from urllib.parse import quote

BUYERS, EACH = 10, 40


def everything(api, chat):
    """A chat read as a poller reads it: page by page, until there is no more."""
    path, found, more = "/messenger/v3/accounts/{u}/chats/" + quote(chat.id, safe="") + "/messages/", [], True
    while more:
        page = api("GET", path, limit=17, offset=len(found)).ok
        found, more = found + page["messages"], page["meta"]["has_more"]
    return [message["content"]["text"] for message in reversed(found)]


def test_webhooks_and_lists_tell_the_same(avito, api, shop, hook):
    avito.limit.enabled = False
    api("POST", "/messenger/v3/webhook", {"url": hook.url})
    item = shop.item("Велосипед")
    buyers = [shop.buyer(f"Покупатель {number}", item) for number in range(BUYERS)]
    avito.faults.shuffle_webhooks = True
    avito.faults.double_webhooks(50)

    def talk(buyer):
        path = "/messenger/v1/accounts/{u}/chats/" + quote(buyer.chat.id, safe="") + "/messages"
        for number in range(EACH // 2):
            buyer.writes(f"вопрос {number}")
            assert api("POST", path, {"type": "text", "message": {"text": f"ответ {number}"}}).status == 200

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(talk, buyers))
    assert avito.wait_quiet(20)
    said = [text for number in range(EACH // 2) for text in (f"вопрос {number}", f"ответ {number}")]
    for buyer in buyers:
        assert everything(api, buyer.chat) == said
    ids = [body["payload"]["value"]["id"] for body in hook.bodies]
    assert len(ids) == BUYERS * EACH + 50 and len(set(ids)) == BUYERS * EACH
    assert {message.id for buyer in buyers for message in buyer.shown} == set(ids)
