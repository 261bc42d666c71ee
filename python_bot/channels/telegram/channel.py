"""Telegram as a channel. An account is a bot: `secrets` are {"token", "webhook_secret"}.

`options`: {"polling": False} when Telegram is to call `<public>/tg/webhook` instead of being asked.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from ...errors import DeliveryFailed
from ..base import Account, Content, Doubt, Happened, HookState, Identity, Outgoing, OutgoingFile, Part, Polled, Setup
from ..http import Http
from ..pace import Limit, Pace
from . import finding, inbound, outbound, topics
from .client import BotApi, Refused
from .delivery import send
from .edits import LastSeen

POLL_S: Final = 25  # a long poll of Telegram; https://core.telegram.org/bots/api#getupdates
ANSWER_S: Final = 10.0  # how much later than asked its answer may come
BY_WEBHOOK_S: Final = 30.0  # how often an account that is not asked looks whether it is to be
PORTS: Final = (443, 80, 88, 8443)  # https://core.telegram.org/bots/api#setwebhook
# https://core.telegram.org/bots/faq#my-bot-is-hitting-limits-how-do-i-avoid-this
ACCOUNT_LIMIT: Final = Limit(30, 1.0)
CHAT_LIMIT: Final = Limit(1, 1.0)
GROUP_LIMIT: Final = Limit(20, 60.0)

To = Mapping[str, int]  # a chat, and a topic of it, as the Bot API names them


class Telegram:
    """`hook_url`: where Telegram is to call us, '' without a public address. `portal` fetches what the team sends."""

    name = "telegram"
    title = "Telegram"

    def __init__(self, api: BotApi, portal: Http, hook_url: str = "", pace: Pace | None = None) -> None:
        self._api, self._portal, self._hook_url = api, portal, hook_url
        self._pace = pace or Pace()
        self._seen = LastSeen()

    def identify(self, secrets: Mapping[str, str]) -> Identity:
        try:
            me = self._api.call(secrets.get("token", ""), "getMe")
        except Refused as refused:
            if refused.status in (401, 404, 421):
                raise DeliveryFailed(str(refused), status=refused.status, final=True) from None
            raise
        username = str(me.get("username") or "")
        url = f"https://t.me/{username}" if username else ""
        return Identity(str(me["id"]), str(me.get("first_name") or username or me["id"]), url)

    # --- in

    def attach(self, account: Account) -> Mapping[str, object]:
        token = account.secrets["token"]
        info = self._api.call(token, "getWebhookInfo")
        if polls(account):
            if info.get("url"):
                self._api.call(token, "deleteWebhook", {"drop_pending_updates": False})
            return {"mode": "polling", "webhook_url": None, "last_error": None}
        self._check_hook_url()
        wanted = {
            "url": self._hook_url,
            "secret_token": account.secrets["webhook_secret"],
            "allowed_updates": list(inbound.KINDS),
            "max_connections": 10,
        }
        self._api.call(token, "setWebhook", wanted)
        return {"mode": "webhook", "webhook_url": self._hook_url, "last_error": info.get("last_error_message")}

    def hook_state(self, account: Account) -> HookState | None:
        info = self._api.call(account.secrets["token"], "getWebhookInfo")
        if polls(account):
            return None
        url, waiting = str(info.get("url") or ""), int(info.get("pending_update_count") or 0)
        # The last error is never forgotten; with nothing left to tell, it has passed.
        error = str(info.get("last_error_message") or "") if waiting else ""
        return HookState(urlsplit(url).hostname or "", url == self._hook_url, True, error, waiting)

    def detach(self, account: Account) -> None:
        if not polls(account):
            self._api.call(account.secrets["token"], "deleteWebhook")

    def poll(self, account: Account, cursor: str, is_stopping: Callable[[], bool]) -> Polled:
        """`cursor`: the first update that is wanted next; asking for it confirms those before it."""
        if not polls(account):
            return Polled((), cursor, BY_WEBHOOK_S, was_asked=False)
        wanted: dict[str, Any] = {"timeout": POLL_S, "allowed_updates": list(inbound.KINDS)}
        if cursor:
            wanted["offset"] = int(cursor)
        token = account.secrets["token"]
        try:
            updates = self._api.call(token, "getUpdates", wanted, timeout_s=POLL_S + ANSWER_S, is_stopping=is_stopping)
        except Refused as refused:
            if refused.status != 409 or "webhook" not in refused.description:
                raise
            if "terminated" in refused.description:  # it is about to be called instead, and this account to change
                return Polled((), cursor, 1.0, was_asked=False)
            self._api.call(token, "deleteWebhook", {"drop_pending_updates": False})
            return Polled((), cursor, 0.0)
        if not isinstance(updates, list):
            raise DeliveryFailed("Telegram: ответ на getUpdates непонятен", unreachable=True)
        numbers = [update["update_id"] for update in updates]
        happened = [one for update in updates for one in inbound.read_update(account.identity.external_id, update)]
        fresh = self._seen.without_unchanged(account.id, happened)
        return Polled(fresh, str(numbers[-1] + 1) if numbers else cursor, 0.0)

    def read_hook(self, account: Account, body: bytes) -> Sequence[Happened]:
        return self._seen.without_unchanged(account.id, inbound.read_hook(account.identity.external_id, body))

    def open_file(self, account: Account, ref: str) -> Content:
        token = account.secrets["token"]
        path = str(self._api.call(token, "getFile", {"file_id": ref}).get("file_path") or "")
        if path.startswith("/"):
            return _on_this_machine(Path(path), token)
        if not path:
            raise DeliveryFailed("Telegram больше не отдаёт этот файл", status=404, final=True)
        return self._api.download(token, path)

    def _check_hook_url(self) -> None:
        """A server of one's own takes any address; the official one does not."""
        parts = urlsplit(self._hook_url)
        if not parts.hostname or (
            self._api.is_official and (parts.scheme != "https" or (parts.port or 443) not in PORTS)
        ):
            raise DeliveryFailed(
                "Telegram: для webhook нужен внешний адрес https на порту 443, 80, 88 или 8443. "
                "Включите HTTPS или верните опрос (polling)",
                final=True,
            )

    # --- out

    def parts(self, message: Outgoing) -> Sequence[Part]:
        return outbound.parts(message)

    def deliver(self, account: Account, chat_id: str, part: Part) -> tuple[str, ...]:
        return self._in_turn(account, chat_id, lambda to: send(self._api, self._open, account, to, part))

    def find_sent(self, account: Account, chat_id: str, part: Part, doubt: Doubt) -> tuple[str, ...]:
        token, bot = account.secrets["token"], account.identity.external_id
        chat, _ = topics.split(chat_id)

        def ask(number: int) -> finding.Owner:
            self._pace.wait({("account", bot): ACCOUNT_LIMIT})
            return finding.owner(self._api, token, chat, number)

        return finding.sent(chat, len(part.files) if part.kind == "album" else 1, doubt, ask)

    def edit(self, account: Account, chat_id: str, message_id: str, part: Part) -> None:
        def change(to: To) -> tuple[str, ...]:
            params = {"chat_id": to["chat_id"], "message_id": _number_of(message_id), "parse_mode": "HTML"}
            is_text = part.kind == "text"
            method, field = ("editMessageText", "text") if is_text else ("editMessageCaption", "caption")
            self._api.call(account.secrets["token"], method, {**params, field: part.text})
            return ()

        self._unless("message is not modified", account, chat_id, change)

    def delete(self, account: Account, chat_id: str, message_id: str) -> None:
        def take_back(to: To) -> tuple[str, ...]:
            params = {"chat_id": to["chat_id"], "message_id": _number_of(message_id)}
            self._api.call(account.secrets["token"], "deleteMessage", params)
            return ()

        self._unless("message to delete not found", account, chat_id, take_back)

    # --- topics of groups

    def check_group(self, account: Account, group_id: str) -> str:
        return topics.check(self._api, account.secrets["token"], account.identity.external_id, group_id)

    def create_topic(self, account: Account, group_id: str, name: str) -> str:
        def make(to: To) -> tuple[str, ...]:
            return (topics.create(self._api, account.secrets["token"], str(to["chat_id"]), name),)

        return self._in_turn(account, group_id, make)[0]

    def reopen_topic(self, account: Account, group_id: str, thread_id: str) -> None:
        topics.reopen(self._api, account.secrets["token"], group_id, thread_id)

    def find_posted(self, account: Account, group_id: str, after: int, known: Collection[str]) -> tuple[str, ...]:
        return topics.posted(self._api, account.secrets["token"], group_id, after, known)

    def topic_address(self, group_id: str, thread_id: str) -> str:
        return topics.address(group_id, thread_id)

    def _unless(self, description: str, account: Account, chat_id: str, act: Callable[[To], tuple[str, ...]]) -> None:
        """What is so already is success."""
        try:
            self._in_turn(account, chat_id, act, is_message=False)
        except Refused as refused:
            if description not in refused.description:
                raise

    def _in_turn(
        self, account: Account, chat_id: str, act: Callable[[To], tuple[str, ...]], *, is_message: bool = True
    ) -> tuple[str, ...]:
        """Within the limits; once more where the chat has moved to. Raises DeliveryFailed with the pause it needs.

        A change is no message, and several belong to one: if they waited for each other's turn in the chat, whoever
        begins anew with the first would never come to the last.
        """
        chat, thread = topics.split(chat_id)
        in_topic = {"message_thread_id": thread} if thread else {}
        bot = account.identity.external_id
        place = ("chat", bot, str(chat))
        limits: dict[tuple[str, ...], Limit] = {("account", bot): ACCOUNT_LIMIT}
        if is_message:
            limits[place] = CHAT_LIMIT
        if is_message and chat < 0:
            limits["group", bot, str(chat)] = GROUP_LIMIT
        self._pace.acquire(limits, self.title)
        try:
            return act({"chat_id": chat, **in_topic})
        except Refused as refused:
            if refused.status == 429:
                self._pace.close_for(place, refused.retry_after_s or 1.0)
            if not refused.moved_to:
                raise topics.meaning(refused) if thread else refused from None
            return act({"chat_id": refused.moved_to, **in_topic})

    def _open(self, file: OutgoingFile) -> Content:
        return file.source() if file.source is not None else self._portal.download(file.url, method="file")


def polls(account: Account) -> bool:
    return account.options.get("polling", True) is not False


def _number_of(message_id: str) -> int:
    """'5200000123:41' -> 41."""
    return int(message_id.rpartition(":")[2])


def _on_this_machine(path: Path, token: str) -> Content:
    """A server of one's own (`--local`) names files here, in the folder of the bot, and in no other."""
    if token not in path.parts or ".." in path.parts:
        raise DeliveryFailed("Telegram: сервер Bot API назвал чужой файл", final=True)
    try:
        file = path.open("rb")
    except OSError as error:
        raise DeliveryFailed(f"Telegram: файл сервера Bot API не читается ({type(error).__name__})") from None

    def blocks() -> Iterator[bytes]:
        with file:
            while block := file.read(64 * 1024):
                yield block

    return Content("application/octet-stream", path.stat().st_size, blocks())


def create(setup: Setup) -> Telegram:
    """With one set of connections, which every account shares."""
    hook_url = f"{setup.public_url}tg/webhook" if setup.public_url else ""
    return Telegram(
        BotApi(Http("Telegram", observe=setup.observe), setup.api_url),
        Http("Bitrix24", observe=setup.observe),
        hook_url,
    )
