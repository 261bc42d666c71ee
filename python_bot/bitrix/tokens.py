"""`auth.json`: the installer's token pair, and its refresh.

The file is 0600, replaced atomically, and guarded by a lock that threads and processes share. Bitrix24 rotates
the refresh token with every use, so two refreshes at once would destroy each other: one at a time, and whoever
waited re-reads the file first. https://apidocs.bitrix24.com/settings/oauth/auto-renewal.html
"""

from __future__ import annotations

import fcntl
import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any, Final

from ..errors import NotAuthorized, PortalUnavailable, StorageFull
from ..values import dataclass
from .hosts import HostPolicy, origin
from .transport import DEAD_AUTH_CODES, Transport

MAX_CANDIDATES: Final = 32
ROOM_BYTES: Final = 16_384
UNKNOWN_CLIENT: Final = ("invalid_client", "WRONG_CLIENT")
NOBODYS_TOKEN: Final = "0" * 40
REAUTHORIZE: Final = "open the application in the portal, or use the link on the page /python_bot/"


@dataclass(frozen=True, slots=True)
class Installation:
    """Who we are in the portal. `expires_at`: Unix seconds. `oauth_base`: 'https://oauth.bitrix24.tech'.

    `application_token` proves that an event is the portal's; empty until the portal told it.
    `renamed_from`: the permitted host that this portal had before it was renamed, '' otherwise.
    `dead`: why the pair stopped working, '' while it works.
    """

    access_token: str
    refresh_token: str
    expires_at: int
    client_endpoint: str
    oauth_base: str
    member_id: str = ""
    application_token: str = ""
    scope: str = ""
    user_id: int = 0
    status: str = ""
    renamed_from: str = ""
    uninstalled_at: int = 0
    dead: str = ""

    @property
    def works(self) -> bool:
        return not self.dead and not self.uninstalled_at

    def __repr__(self) -> str:  # the tokens must not reach a log by accident
        return f"Installation({origin(self.client_endpoint)}, user {self.user_id})"


@dataclass(frozen=True, slots=True)
class Candidate:
    """An installation that claims to be the portal's, until a REST call with its token has confirmed it.

    `opened`: a person opened the application in the portal; it never replaces a working installation.
    `connector_id`, `line_id`: set when that person opened the settings of a connector of ours.
    """

    installation: Installation
    opened: bool = False
    connector_id: str = ""
    line_id: int = 0


class TokenStore:
    """The file `auth.json` and, beside it, installations that wait for their confirmation."""

    def __init__(self, home: Path) -> None:
        self.path = home / "auth.json"
        self._candidates = home / "auth.pending.json"
        self._reserve = home / "auth.reserve"
        self._lock_path = home / "auth.lock"
        self._thread_lock = threading.RLock()
        self._lock_depth = 0
        self._cached: tuple[tuple[int, int, int], Installation | None] | None = None

    def current(self) -> Installation | None:
        """The stored installation, re-read when the file changed; None before the first one."""
        try:
            found = os.stat(self.path)  # noqa: PTH116  # once per event
        except FileNotFoundError:
            return None
        key = (found.st_ino, found.st_mtime_ns, found.st_size)
        cached = self._cached
        if cached is None or cached[0] != key:
            self._cached = cached = (key, _installation(_read(self.path)))
        return cached[1]

    def save(self, installation: Installation) -> None:
        with self.locked():
            _write(self.path, asdict(installation), self._reserve if self._reserve.exists() else None)
            self._cached = None

    def take_room(self) -> None:
        """A refresh token works once: before it is spent, the room for the new pair is taken on the disk. `save`
        writes into it. Raises StorageFull."""
        try:
            _write(self._reserve, {"room": "x" * ROOM_BYTES})
        except OSError as error:
            raise StorageFull(
                f"the tokens cannot be refreshed: {error.strerror}", next_step="free some room on the disk"
            ) from None

    def give_room_back(self) -> None:
        self._reserve.unlink(missing_ok=True)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """One holder across threads and processes; the same thread may enter again."""
        with self._thread_lock:
            if self._lock_depth:
                self._lock_depth += 1
                try:
                    yield
                finally:
                    self._lock_depth -= 1
                return
            handle = os.open(self._lock_path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX)
                self._lock_depth = 1
                yield
            finally:
                self._lock_depth = 0
                os.close(handle)

    # --- candidates

    def add_candidate(self, candidate: Candidate) -> bool:
        """False when too many wait already: somebody is flooding us with forged installations."""
        with self.locked():
            waiting = self._others(candidate)
            if len(waiting) >= MAX_CANDIDATES:
                return False
            _write(self._candidates, {"candidates": [asdict(c) for c in (*waiting, candidate)]})
            return True

    def candidates(self) -> list[Candidate]:
        stored = _read(self._candidates)
        rows = stored.get("candidates") if isinstance(stored, dict) else None
        return [found for row in (rows if isinstance(rows, list) else []) if (found := _candidate(row))]

    def drop_candidate(self, candidate: Candidate) -> None:
        with self.locked():
            left = self._others(candidate)
            if left:
                _write(self._candidates, {"candidates": [asdict(c) for c in left]})
            else:
                self._candidates.unlink(missing_ok=True)

    def _others(self, candidate: Candidate) -> list[Candidate]:
        token = candidate.installation.access_token
        return [c for c in self.candidates() if c.installation.access_token != token]


class Authorizer:
    """Hands out a working access token; the only place that talks to the authorization server."""

    def __init__(
        self,
        store: TokenStore,
        transport: Transport,
        policy: HostPolicy,
        client_id: str,
        client_secret: str,
        now: Callable[[], float] = time.time,
    ) -> None:
        self.store = store
        self.policy = policy
        self.client_id = client_id
        self._client_secret = client_secret
        self._transport = transport
        self._now = now

    def current(self) -> Installation:
        """The installation with a token that should work. Raises NotAuthorized or PortalUnavailable."""
        found = self.store.current()
        if found is None or found.uninstalled_at:
            raise NotAuthorized("the application is not installed in the portal yet", next_step=REAUTHORIZE)
        if found.dead:
            raise NotAuthorized(f"the tokens stopped working: {found.dead}", next_step=REAUTHORIZE)
        if not self._permitted(found):
            raise NotAuthorized(
                f"the stored portal {origin(found.client_endpoint)} is not the one that B24BOT_PORTAL permits",
                next_step="correct B24BOT_PORTAL, or install the application in the permitted portal",
            )
        if found.expires_at and found.expires_at <= self._now() and self.can_refresh(found):
            return self.refresh(found)
        return found

    def can_refresh(self, installation: Installation) -> bool:
        return bool(self.client_id and self._client_secret and installation.refresh_token)

    def refresh(self, stale: Installation) -> Installation:
        """A new pair in place of `stale`, or the newer pair that another thread or process fetched meanwhile."""
        with self.store.locked():
            found = self.store.current() or stale
            if found.uninstalled_at:
                raise NotAuthorized("the application was uninstalled in the portal", next_step=REAUTHORIZE)
            if found.access_token != stale.access_token and not found.dead:
                return found
            if not self.can_refresh(found):
                raise NotAuthorized(
                    "the access token expired and cannot be refreshed without CLIENT_ID and CLIENT_SECRET",
                    next_step="set both to the values of the local application and restart the instance",
                )
            body = self._spend_refresh_token(found)
            renewed = replace(found, dead="", **_pair(body, self._now()))
            endpoint = str(body.get("client_endpoint") or "")
            if endpoint and self.policy.permits_portal(endpoint):
                renewed = replace(renewed, client_endpoint=f"{origin(endpoint)}/rest/")
            self.store.save(renewed)
            return renewed

    def refusal_of_client(self, installation: Installation) -> str:
        """With which code the authorization server refuses CLIENT_ID and CLIENT_SECRET; '' when it knows them.

        Asked with a refresh token that nobody has: the real one works once. Raises PortalUnavailable.
        """
        fields = {"grant_type": "refresh_token", "refresh_token": NOBODYS_TOKEN}
        code = str(self._token_request(installation.oauth_base, **fields).get("error") or "")
        return code if code in UNKNOWN_CLIENT else ""

    def exchange(self, code: str, portal_url: str, server: str) -> Installation:
        """The authorization code of a person's browser -> an installation (not stored). The code lives 30 s.

        https://apidocs.bitrix24.com/settings/oauth/index.html . Raises NotAuthorized, PortalUnavailable.
        """
        oauth_base = self.policy.oauth_base(server, portal_url)
        body = self._token_request(oauth_base, grant_type="authorization_code", code=code)
        if "error" in body:
            raise NotAuthorized(f"the authorization server refused the code: {body['error']}", next_step=REAUTHORIZE)
        endpoint = self.policy.rest_url(str(body.get("client_endpoint") or ""), "") or portal_url
        return Installation(client_endpoint=endpoint, oauth_base=oauth_base, **_pair(body, self._now()))

    def moved(self, stale: Installation, location: str) -> Installation:
        """The portal answered with a redirect. Its new host is believed when it is permitted, or when the
        authorization server names the same one for this installation. Raises PortalUnavailable otherwise."""
        new_origin = origin(location)
        if new_origin.startswith("http://") and not stale.client_endpoint.startswith("http://"):
            new_origin = ""
        confirmed = bool(new_origin) and self.policy.permits_portal(new_origin)
        if new_origin and not confirmed and self.can_refresh(stale):
            with self.store.locked():
                found = self.store.current() or stale
                body = self._spend_refresh_token(found)
                stale = replace(found, dead="", **_pair(body, self._now()))
                self.store.save(stale)
                confirmed = origin(str(body.get("client_endpoint") or "")) == new_origin
        if not confirmed:
            raise PortalUnavailable("the portal redirects to a host that is not permitted; check B24BOT_PORTAL")
        renamed = replace(
            stale,
            client_endpoint=f"{new_origin}/rest/",
            renamed_from=stale.renamed_from or origin(stale.client_endpoint),
        )
        self.store.save(renamed)
        return renamed

    def forget_failure(self) -> None:
        """At a start: whatever broke the pair (a wrong CLIENT_SECRET, say) may have been mended; try once more."""
        with self.store.locked():
            found = self.store.current()
            if found is not None and found.dead:
                self.store.save(replace(found, dead=""))

    def _permitted(self, found: Installation) -> bool:
        return self.policy.permits_portal(found.client_endpoint) or bool(
            found.renamed_from and self.policy.permits_portal(found.renamed_from)
        )

    def _spend_refresh_token(self, found: Installation) -> dict[str, Any]:
        """The answer with the new pair; `save` it at once. Raises NotAuthorized, PortalUnavailable, StorageFull."""
        self.store.take_room()
        try:
            body = self._token_request(found.oauth_base, grant_type="refresh_token", refresh_token=found.refresh_token)
            if "error" in body:
                raise self._refused(found, str(body["error"]))
        except BaseException:
            self.store.give_room_back()
            raise
        return body

    def _refused(self, found: Installation, code: str) -> Exception:
        if code in DEAD_AUTH_CODES or code in ("invalid_request", "invalid_scope", "insufficient_scope"):
            return self._dead(found, f"the authorization server answered {code}")
        return PortalUnavailable(f"the authorization server answered {code}")

    def _dead(self, found: Installation, why: str) -> NotAuthorized:
        if found.dead != why:
            self.store.save(replace(found, dead=why))
        return NotAuthorized(why, next_step=REAUTHORIZE)

    def _token_request(self, oauth_base: str, **grant: str) -> dict[str, Any]:
        fields = {**grant, "client_id": self.client_id, "client_secret": self._client_secret}
        answer = self._transport.get(f"{oauth_base}/oauth/token/", fields)
        body = answer.json
        if not isinstance(body, dict) or not (body.get("error") or body.get("access_token")):
            raise PortalUnavailable(
                f"the authorization server answered HTTP {answer.status} without tokens",
                retry_after_s=answer.retry_after_s,
            )
        return body


def _pair(body: dict[str, Any], now: float) -> dict[str, Any]:
    """The members of an Installation that a token answer brings. Its `domain` is the server's: never used."""
    found: dict[str, Any] = {
        "access_token": str(body["access_token"]),
        "refresh_token": str(body.get("refresh_token") or ""),
        "expires_at": int(now) + _int(body.get("expires_in"), 3600),
    }
    for name in ("member_id", "scope", "status"):
        if body.get(name):
            found[name] = str(body[name])
    if body.get("user_id"):
        found["user_id"] = _int(body["user_id"], 0)
    return found


def _int(value: Any, default: int) -> int:
    with suppress(TypeError, ValueError):
        return int(value)
    return default


def _members(kind: type[Any], row: Any) -> dict[str, Any] | None:
    """Those members of a stored row that the dataclass knows; None when one is of another type than declared.

    A row of a newer release has more members, one of an older fewer.
    """
    if not isinstance(row, dict):
        return None
    types = {"str": str, "int": int, "bool": bool}
    known = {field.name: types.get(str(field.type)) for field in fields(kind)}
    found = {name: value for name, value in row.items() if name in known}
    if any(wanted and type(found[name]) is not wanted for name, wanted in known.items() if name in found):
        return None
    return found


def _installation(row: Any) -> Installation | None:
    """None when the content is none of ours: a missing or damaged file is the same as no installation."""
    members = _members(Installation, row)
    with suppress(TypeError):
        return Installation(**members) if members is not None else None
    return None


def _candidate(row: Any) -> Candidate | None:
    members = _members(Candidate, row)
    installation = _installation(members.pop("installation", None)) if members is not None else None
    return Candidate(installation, **members) if installation and members is not None else None


def _read(path: Path) -> Any:
    try:
        return json.loads(path.read_bytes())
    except (FileNotFoundError, ValueError):
        return None


def _write(path: Path, value: dict[str, Any], room: Path | None = None) -> None:
    """Write beside, flush to disk, rename over: a reader sees the old file or the new one, never a part.

    `room`: a file that is large enough already; it becomes the new one, so that a full disk does no harm.
    """
    content = json.dumps(value, ensure_ascii=False, indent=1).encode()
    temporary = room or path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}")
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.ftruncate(file.fileno(), len(content))
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
