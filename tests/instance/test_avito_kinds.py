"""What is more than words, between a client at Avito, a topic of a Telegram group and an open line.

Albums, speech, links, and what Avito takes from nobody.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from python_bot.simulator.avito import Buyer
from python_bot.simulator.model import Upload
from python_bot.simulator.pictures import PNG
from python_bot.simulator.telegram import Attachment, Message, Topic
from tests.instance.tools import wait_idle
from tests.support import until
from tests.support.messengers import World, messengers
from tests.support.speech import SPEECH


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with messengers() as world:
        world.connected(topics=True)
        yield world


def begun(world: World, name: str) -> tuple[Buyer, Topic]:
    """A client who has written once, in their topic and in the line."""
    buyer = world.shop.buyer(name, world.shop.item("Диван"))
    buyer.writes("Здравствуйте")
    until(lambda: "Здравствуйте" in world.in_topics().get(f"{name} · Диван", []), what="the topic is begun")
    until(lambda: "Здравствуйте" in world.in_line(buyer), what="the dialog is begun")
    return buyer, next(topic for topic in world.group.topics if topic.name == f"{name} · Диван")


def in_topic(world: World, topic: Topic) -> list[Message]:
    """What the bot has shown after the advert and the first words."""
    found = [message for message in world.group.shown(topic) if not message.is_service and message.by_bot]
    return found[2:]


def test_what_a_client_sends_plays_and_opens_in_the_topic(world: World) -> None:
    anna, topic = begun(world, "Анна")
    for _ in range(3):
        anna.sends_image(PNG)
    anna.sends_voice(SPEECH)
    link = {"text": "example.org/a?b=1&c=2", "url": "https://example.org/a?b=1&c=2"}
    anna.sends("link", {"link": {**link, "preview": {"title": "Схема <сборки>"}}})
    until(lambda: len(in_topic(world, topic)) == 5, 30, what="all is in the topic")
    *album, voice, card = in_topic(world, topic)
    assert {message.kind for message in album} == {"photo"}
    assert len({message.content["media_group_id"] for message in album}) == 1
    assert voice.kind == "voice" and voice.file is not None and voice.file.content.startswith(b"OggS")
    assert card.text == "Схема <сборки>\nexample.org/a?b=1&c=2\nhttps://example.org/a?b=1&c=2"
    assert card.content.get("link_preview_options", {}).get("is_disabled") is not True

    until(lambda: len(world.in_line(anna)) == 7, 30, what="all is in the line")
    files = [text for text in world.in_line(anna) if text.endswith((".jpg", ".mp4"))]
    assert [name.rpartition(".")[2] for name in files] == ["jpg", "jpg", "jpg", "mp4"]
    assert "https://example.org/a?b=1&c=2" in world.in_line(anna)[-1]


def test_an_album_of_the_team_arrives_in_order_and_what_avito_takes_not_comes_back(world: World) -> None:
    boris, topic = begun(world, "Борис")
    first, second = (Attachment("photo", PNG, "", "image/jpeg", caption) for caption in ("два вида", ""))
    clip = Attachment("video", b"film", "обзор.mp4", "video/mp4")
    world.manager.sends_album(first, second, clip, thread=topic)
    until(lambda: [message.type for message in boris.shown[1:]] == ["image", "image", "text"], 30, what="it arrives")
    until(lambda: in_topic(world, topic), what="its author learns what did not")
    (notice,) = in_topic(world, topic)
    assert "«обзор.mp4» не отправлен: Avito принимает только изображения" in notice.text and "3" in notice.text
    assert boris.shown[-1].text == "два вида"
    until(lambda: len(world.in_line(boris)) == 5, 30, what="the line shows pictures and words of the topic")

    for kind, name in (("voice", ""), ("video_note", ""), ("document", "смета.pdf")):
        world.manager.sends_file(Attachment(kind, b"OggS", name), thread=topic)
    until(lambda: len(in_topic(world, topic)) == 4, 30, what="each is refused")
    assert all("не отправлен" in message.text for message in in_topic(world, topic))
    world.manager.sends({"location": {"latitude": 55.75, "longitude": 37.62}}, thread=topic)
    until(lambda: len(boris.shown) == 5, 30, what="a place is words with a link")
    assert "yandex.ru/maps" in boris.shown[-1].text
    wait_idle(world.server)
    assert len(boris.shown) == 5 and len(in_topic(world, topic)) == 4


def test_what_avito_takes_not_comes_back_into_the_dialog(world: World) -> None:
    vera, topic = begun(world, "Вера")
    operator, chat_id = world.portal.operator(27), world.portal_chat(vera)
    operator.writes(chat_id, "Смета и вид", (Upload("вид.png", PNG), Upload("смета.pdf", b"%PDF-1.7")))
    until(lambda: [message.type for message in vera.shown[1:]] == ["image", "text"], 30, what="what can arrive has")

    def notices() -> list[str]:
        chat = next(chat for chat in world.portal.chats if chat.chat_id == chat_id)
        return [message.text for message in chat.messages if "не отправлен" in message.text]

    until(notices, what="the operator learns what has not")
    (notice,) = notices()
    assert "«смета.pdf» не отправлен: Avito принимает только изображения JPEG, PNG, GIF, BMP и HEIC." in notice
    until(
        lambda: [message.kind for message in in_topic(world, topic)] == ["photo", "text"], what="the topic shows both"
    )
    wait_idle(world.server)
    assert len(vera.shown) == 3 and len(notices()) == 1
