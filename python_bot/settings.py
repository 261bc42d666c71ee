"""Settings of one instance: the one reader of the environment. Every bad variable is reported at once."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import field
from pathlib import Path
from typing import Final, Literal, TypeVar
from urllib.parse import urlencode, urlsplit

from .errors import SettingsError
from .model import Handover, Lines
from .values import dataclass

Choice = TypeVar("Choice", bound=str)

INSTANCE_NAME: Final = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,22}[a-z0-9])?")
DEFAULT_BOT_NAME: Final = "Python Interceptor Bot"
SHORT_TOKEN: Final = 16
HANDLER_PATH: Final = "/python_bot/"
CHANNEL_URLS: Final = {"telegram": "TELEGRAM_API_URL", "avito": "AVITO_API_URL"}
DEFAULT_FILE_MAX_MB: Final = 200
DEFAULT_DISK_RESERVE_MB: Final = 1024
DEFAULT_JOURNAL_DAYS: Final = 14
DEFAULT_RATE_LIMIT: Final = 600_000  # a minute: against a script that runs wild, not against a busy one
EVERY_LINE: Final = Lines(all=True)
TO_THE_QUEUE: Final = Handover("operator")

# Every variable that an instance reads, with one line for people; docs and tests read this table too.
VARIABLES: Final[dict[str, str]] = {
    "API_SECRET_TOKEN": "token that opens the API and the administration; 16 characters or more",
    "CLIENT_ID": "client_id of the local application (`local.…`)",
    "CLIENT_SECRET": "client_secret of the local application; without it tokens cannot be refreshed",
    "B24BOT_INSTANCE": "name of the instance: a-z, 0-9 and '-', 1 to 24 characters",
    "B24BOT_HOME": "directory of the instance: dialogs.db, auth.json, bot.log, files/",
    "B24BOT_PUBLIC_URL": "exact URL of the handler as registered in the portal; ends in /python_bot/",
    "B24BOT_PORTAL": "host of the portal that may install the application (with http:// if it has no TLS)",
    "B24BOT_OAUTH_URL": "authorization server, only to override the two official ones",
    "B24BOT_BOT_NAME": "name of the bot as employees see it",
    "B24BOT_LINES": "open lines to attach the bot to: none, all, or ids such as 3,7",
    "B24BOT_HANDOVER": "who receives the dialog: operator, user:<id> or queue:<line id>",
    "B24BOT_EVENT_MODE": "webhook (the portal calls us) or fetch (we ask it; no public address needed)",
    "B24BOT_RETENTION_DAYS": "closed dialogs are deleted so many days after their last message; 0 keeps them for ever",
    "B24BOT_JOURNAL_DAYS": "the HTTP journal keeps requests for so many days; 0 keeps none",
    "B24BOT_FILES": "metadata (names and sizes of attachments) or download (their contents too)",
    "B24BOT_FILE_MAX_MB": "the largest attachment that is downloaded, in MiB; 0: any",
    "B24BOT_FILES_MAX_GB": "how much all downloaded attachments may take, in GiB; 0: no limit",
    "B24BOT_DISK_RESERVE_MB": "free room on the disk, in MiB, below which attachments wait and only events are stored",
    "B24BOT_FILE_HOSTS": "further hosts on which the portal keeps its files, such as a cloud storage",
    "B24BOT_WEBHOOK_HOSTS": "hosts in the server's own network that outgoing webhooks may call, such as 10.0.0.7:9000",
    "B24BOT_RATE_LIMIT": "requests a minute that each API token may send",
    "B24BOT_CORS_ORIGINS": "origins such as https://crm.example.ru whose pages may call the API from a browser",
    "B24BOT_UI_ACCESS": "who besides administrators sees what in /ui/: admins (nobody), own dialogs, own line, or all",
    "B24BOT_LOG_LEVEL": "DEBUG, INFO, WARNING or ERROR",
    "TG_BOT_TOKEN": "token of the first Telegram bot; further ones are added by `botctl` or the API",
    "TG_USE_POLLING": "1: the first bot asks Telegram for messages; 0: Telegram calls /tg/webhook",
    "TG_WEBHOOK_SECRET": "what Telegram says with each call of /tg/webhook; made up when it is missing",
    "TELEGRAM_API_URL": "address of a Bot API server of your own instead of https://api.telegram.org",
    "AVITO_API_URL": "address instead of https://api.avito.ru, for tests",
    "B24_LINE_ID": "open line of the first Telegram bot",
    "B24_HANDLER_SECRET": "what the portal says with each call of /b24/handler; without it /python_bot/ is called",
    "B24BOT_CHANNELS": "further channels: name=module of an installed package, separated by spaces",
    "API_PUBLIC_READ": "1 opens the reading of dialogs and users without a token",
    "B24BOT_THREADS": "threads that take requests; more fill a group commit better on a slow disk",
    "B24BOT_GUNICORN_LOG_LEVEL": "how much gunicorn itself says: debug, info, warning or error",
    "PORT": "loopback port that gunicorn listens on when systemd passes no socket",
}


@dataclass(frozen=True, slots=True)
class Settings:
    home: Path
    api_secret_token: str
    public_url: str
    instance: str = "default"
    client_id: str = ""
    client_secret: str = ""
    portal: str = ""
    oauth_url: str = ""
    bot_name: str = DEFAULT_BOT_NAME
    lines: Lines = EVERY_LINE
    handover: Handover = TO_THE_QUEUE
    event_mode: Literal["webhook", "fetch"] = "webhook"
    retention_days: int = 0
    journal_days: int = DEFAULT_JOURNAL_DAYS
    files: Literal["metadata", "download"] = "metadata"
    file_max_mb: int = DEFAULT_FILE_MAX_MB
    files_max_gb: int = 0
    disk_reserve_mb: int = DEFAULT_DISK_RESERVE_MB
    file_hosts: tuple[str, ...] = ()
    webhook_hosts: tuple[str, ...] = ()
    rate_limit: int = DEFAULT_RATE_LIMIT
    cors_origins: tuple[str, ...] = ()
    ui_access: Literal["admins", "own", "line", "all"] = "admins"
    log_level: str = "INFO"
    public_read: bool = False
    tg_bot_token: str = ""
    tg_use_polling: bool | None = None  # None: as it was chosen elsewhere, or the usual
    tg_webhook_secret: str = ""
    line_id: int | None = None
    handler_secret: str = ""
    channels: Mapping[str, str] = field(default_factory=dict)
    channel_urls: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def from_env(cls, env: Mapping[str, str]) -> Settings:
        """Read and check everything; raises SettingsError that names every wrong variable."""
        reader = _Reader(env)
        settings = cls(
            home=reader.directory("B24BOT_HOME"),
            api_secret_token=reader.secret("API_SECRET_TOKEN"),
            event_mode=reader.choice("B24BOT_EVENT_MODE", "webhook", "fetch"),
            public_url=reader.handler_url("B24BOT_PUBLIC_URL"),
            instance=reader.instance("B24BOT_INSTANCE"),
            client_id=reader.text("CLIENT_ID"),
            client_secret=reader.text("CLIENT_SECRET"),
            portal=reader.portal("B24BOT_PORTAL"),
            oauth_url=reader.base_url("B24BOT_OAUTH_URL"),
            bot_name=reader.text("B24BOT_BOT_NAME") or DEFAULT_BOT_NAME,
            lines=reader.lines("B24BOT_LINES"),
            handover=reader.handover("B24BOT_HANDOVER"),
            retention_days=reader.days("B24BOT_RETENTION_DAYS"),
            journal_days=reader.size("B24BOT_JOURNAL_DAYS", DEFAULT_JOURNAL_DAYS),
            files=reader.choice("B24BOT_FILES", "metadata", "download"),
            file_max_mb=reader.size("B24BOT_FILE_MAX_MB", DEFAULT_FILE_MAX_MB),
            files_max_gb=reader.size("B24BOT_FILES_MAX_GB", 0),
            disk_reserve_mb=reader.size("B24BOT_DISK_RESERVE_MB", DEFAULT_DISK_RESERVE_MB),
            file_hosts=reader.hosts("B24BOT_FILE_HOSTS"),
            webhook_hosts=reader.bare_hosts("B24BOT_WEBHOOK_HOSTS"),
            rate_limit=reader.size("B24BOT_RATE_LIMIT", DEFAULT_RATE_LIMIT),
            cors_origins=reader.origins("B24BOT_CORS_ORIGINS"),
            ui_access=reader.choice("B24BOT_UI_ACCESS", "admins", "own", "line", "all"),
            log_level=reader.choice("B24BOT_LOG_LEVEL", "INFO", "DEBUG", "WARNING", "ERROR"),
            public_read=reader.flag("API_PUBLIC_READ"),
            tg_bot_token=reader.text("TG_BOT_TOKEN"),
            tg_use_polling=reader.flag("TG_USE_POLLING") if reader.text("TG_USE_POLLING") else None,
            tg_webhook_secret=reader.text("TG_WEBHOOK_SECRET"),
            line_id=reader.line("B24_LINE_ID"),
            handler_secret=reader.text("B24_HANDLER_SECRET"),
            channels=reader.modules("B24BOT_CHANNELS"),
            channel_urls={name: url for name, variable in CHANNEL_URLS.items() if (url := reader.base_url(variable))},
        )
        if reader.problems:
            raise SettingsError(reader.problems)
        return settings

    @property
    def connector_handler(self) -> str:
        """Where the portal sends the events of connectors: `/b24/handler` has a secret of its own."""
        if not self.handler_secret:
            return self.public_url
        base = self.public_url.removesuffix(HANDLER_PATH.lstrip("/"))
        return f"{base}b24/handler?{urlencode({'secret': self.handler_secret})}"

    def doubts(self) -> list[str]:
        """What is allowed but probably not meant; for the log of a start."""
        found: list[str] = []
        if len(self.api_secret_token) < SHORT_TOKEN:
            found.append(f"API_SECRET_TOKEN is shorter than {SHORT_TOKEN} characters: it can be guessed")
        if self.event_mode == "webhook" and "." not in (urlsplit(self.public_url).hostname or "").lstrip("."):
            found.append("B24BOT_PUBLIC_URL: Bitrix24 refuses a host without a dot; use a domain or an IP address")
        if not self.portal:
            found.append("B24BOT_PORTAL is not set: any cloud portal may install the application first")
        if not (self.client_id and self.client_secret):
            found.append("CLIENT_ID and CLIENT_SECRET are not both set: the tokens will last one hour")
        return found

    @property
    def bot_code(self) -> str:
        """CODE of the bot in the portal, unique to the instance and stable over reinstallations (≤ 50).

        The two versions of the portal's API do not share bots, so each mode has its own.
        """
        return f"b24bot_{self.instance}" + ("_fetch" if self.event_mode == "fetch" else "")

    @property
    def prefix(self) -> str:
        """Path before /python_bot/ in the public URL: '/acme', or '' for an installation of one portal."""
        return urlsplit(self.public_url).path.removesuffix(HANDLER_PATH).rstrip("/")


class _Reader:
    """Takes values out of a mapping, collecting what is wrong instead of stopping at the first."""

    def __init__(self, env: Mapping[str, str]) -> None:
        self._env = env
        self.problems: list[str] = []

    def text(self, name: str) -> str:
        return self._env.get(name, "").strip()

    def _bad(self, name: str, why: str) -> None:
        self.problems.append(f"{name}: {why}")

    def choice(self, name: str, default: Choice, *others: Choice) -> Choice:
        value = self.text(name)
        if not value:
            return default
        for allowed in (default, *others):
            if value.lower() == allowed.lower():
                return allowed
        self._bad(name, f"{value!r} is none of: {', '.join((default, *others))}")
        return default

    def flag(self, name: str) -> bool:
        value = self.text(name).lower()
        if value in ("", "0", "no", "false", "off"):
            return False
        if value in ("1", "yes", "true", "on"):
            return True
        self._bad(name, f"{value!r} is neither 0 nor 1")
        return False

    def days(self, name: str) -> int:
        value = self.text(name) or "0"
        if re.fullmatch(r"[0-9]{1,5}", value):
            return int(value)
        self._bad(name, f"{value!r} is no number of days; 0 keeps everything for ever")
        return 0

    def directory(self, name: str) -> Path:
        value = self.text(name)
        path = Path(value)
        if not value:
            self._bad(name, "is missing: give the directory of this instance")
        elif not path.is_absolute():
            self._bad(name, f"{value!r} is not an absolute path")
        elif not path.is_dir():
            self._bad(name, f"{value} is not a directory: create it first")
        return path

    def secret(self, name: str) -> str:
        value = self.text(name)
        if not value:
            self._bad(name, "is missing: give a long random text, for example from `openssl rand -hex 24`")
        return value

    def instance(self, name: str) -> str:
        value = self.text(name) or "default"
        if not INSTANCE_NAME.fullmatch(value):
            self._bad(name, f"{value!r}: use a-z, 0-9 and '-', 1 to 24 characters, no '-' at the ends")
        return value

    def base_url(self, name: str) -> str:
        value = self.text(name).rstrip("/")
        if value and not _is_http_url(value):
            self._bad(name, f"{value!r} is not an http(s) URL")
        return value

    def handler_url(self, name: str) -> str:
        value = self.text(name)
        if not value:
            if self.text("B24BOT_EVENT_MODE").lower() != "fetch":
                self._bad(name, "is missing: give the URL that the portal calls, ending in /python_bot/")
        elif not _is_http_url(value):
            self._bad(name, f"{value!r} is not an http(s) URL")
        elif not value.endswith(HANDLER_PATH):
            self._bad(name, f"{value!r} does not end in {HANDLER_PATH}")
        return value

    def portal(self, name: str) -> str:
        """'acme.bitrix24.ru' or 'https://b24.acme.ru:8443' or 'http://127.0.0.1:9000' -> scheme://host[:port]."""
        value = self.text(name).rstrip("/")
        return self._origin(name, value) if value else ""

    def hosts(self, name: str) -> tuple[str, ...]:
        """'cdn.acme.ru, http://10.0.0.7:9000' -> their origins."""
        found = (self._origin(name, value.rstrip("/")) for value in self.text(name).replace(",", " ").split())
        return tuple(filter(None, found))

    def bare_hosts(self, name: str) -> tuple[str, ...]:
        """'crm.local, 10.0.0.7:9000' -> the same as a tuple; a scheme before a host says nothing here."""
        return tuple(found.partition("://")[2] for found in self.hosts(name))

    def origins(self, name: str) -> tuple[str, ...]:
        """'https://crm.example.ru, http://127.0.0.1:8000' -> the same as a tuple, as browsers write them."""
        values = self.text(name).replace(",", " ").split()
        for value in values:
            parts = urlsplit(value)
            if (
                parts.scheme not in ("http", "https")
                or not parts.hostname
                or value != f"{parts.scheme}://{parts.netloc}"
            ):
                self._bad(name, f"{value!r} is no origin; write it like https://crm.example.ru")
        return tuple(values)

    def size(self, name: str, default: int) -> int:
        value = self.text(name)
        if not value:
            return default
        if not (value.isascii() and value.isdigit() and len(value) < 8):
            self._bad(name, f"{value!r} is no whole number from 0 to 9999999")
            return default
        return int(value)

    def _origin(self, name: str, value: str) -> str:
        url = value if "://" in value else f"https://{value}"
        if not _is_http_url(url) or not re.fullmatch(r"https?://(?:[^/?#@:\s,\[\]]+|\[[0-9a-fA-F:]+\])(?::\d+)?", url):
            self._bad(name, f"{value!r} is not a host such as acme.bitrix24.ru")
            return ""
        return f"{url.partition('://')[0]}://{urlsplit(url).netloc.lower()}"

    def lines(self, name: str) -> Lines:
        value = self.text(name).lower()
        if value in ("", "all"):
            return Lines(all=True)
        if value == "none":
            return Lines()
        ids = value.replace(",", " ").split()
        if not ids or not all(_is_id(text) for text in ids):
            self._bad(name, f"{value!r} is neither none, all, nor ids such as 3,7")
            return Lines()
        return Lines(ids=tuple(dict.fromkeys(int(text) for text in ids)))

    def line(self, name: str) -> int | None:
        value = self.text(name)
        if value and not _is_id(value):
            self._bad(name, f"{value!r} is no number of an open line")
            return None
        return int(value) if value else None

    def modules(self, name: str) -> dict[str, str]:
        """'mail=acme_mail.channel' -> the same as a map."""
        found: dict[str, str] = {}
        for value in self.text(name).replace(",", " ").split():
            channel, _, module = value.partition("=")
            if not (re.fullmatch(r"[a-z][a-z0-9]{0,19}", channel) and re.fullmatch(r"\w+(\.\w+)*", module)):
                self._bad(name, f"{value!r} does not look like mail=acme_mail.channel")
            found[channel] = module
        return found

    def handover(self, name: str) -> Handover:
        value = self.text(name).lower() or "operator"
        kind, _, target = value.partition(":")
        if value == "operator":
            return Handover("operator")
        if kind == "user" and _is_id(target):
            return Handover("user", int(target))
        if kind == "queue" and _is_id(target):
            return Handover("queue", int(target))
        self._bad(name, f"{value!r} is none of: operator, user:<id>, queue:<line id>")
        return Handover("operator")


def _is_id(text: str) -> bool:
    return bool(re.fullmatch(r"[1-9][0-9]{0,17}", text))


def _is_http_url(value: str) -> bool:
    try:
        parts = urlsplit(value)
        port = parts.port
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname) and port != 0
