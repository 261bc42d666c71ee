"""What every page shares: whose visit it is, in which language and by which clock it speaks, its headers and errors."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from typing import Any, Final
from urllib.parse import quote, urlsplit

from flask import Blueprint, Response, g, redirect, request
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response as AnyResponse

from ...errors import StorageError
from ...staff.texts import Language, language_of
from ...values import dataclass
from ...visitors import Rights, Visit
from ..errors import ApiError
from ..inbound import note
from ..tracing import trace_id
from .clock import Clock, zone_of
from .keeper import Keeper, opens
from .refusal import Refused
from .render import packed, policy, rendered, versions
from .texts import ERRORS
from .texts import TEXTS as COMMON
from .texts_admin import TEXTS as ADMIN

log = logging.getLogger(__name__)

COOKIE: Final = "b24bot_ui"
LANGUAGE_COOKIE: Final = "b24bot_lang"
ZONE_COOKIE: Final = "b24bot_tz"
YEAR_S: Final = 365 * 86_400
SECTIONS: Final = (
    ("dialogs", "/"),
    ("search", "/search"),
    ("figures", "/figures"),
    ("health", "/health"),
    ("looks", "/looks"),
)
READERS: Final = 3  # the first of them are for everybody


@dataclass(frozen=True, slots=True)
class Frame:
    """`base`: public path of the pages, '/acme/ui'; `portal`: origin of the installed portal, ''."""

    keeper: Keeper
    portal: Callable[[], str]
    base: str

    # --- who, how

    @property
    def cookie(self) -> str:
        return request.cookies.get(COOKIE, "")

    def visit(self) -> Visit:
        """Whose request this is, behind `admit`."""
        found: Visit = g.visit
        return found

    def admit(self) -> AnyResponse | None:
        """Before a page: who is not signed in goes to the entry, and comes back afterwards."""
        found, cookie = note(), self.cookie
        found.authorization = "cookie" if cookie else "none"
        visit = self.keeper.visit(cookie)
        if visit is None:
            found.outcome = "unknown" if cookie else "missing"
            if request.method != "GET" or request.headers.get("X-Requested-With") == "ui":
                raise Refused(401, "not_signed_in")
            back = request.full_path.rstrip("?")
            return redirect(f"{self.base}/enter?next={quote(back)}", 303)
        found.outcome = "ok"
        g.visit = visit
        if request.method == "POST" and not self.keeper.is_form_token(cookie, request.form.get("form", "")):
            raise Refused(403, "form_expired")
        return None

    def refuse_other_sites(self) -> None:
        """Another site may lead here, and no more: what it loads into itself would be a look in the visitor's name. A
        frame is opened by the page inside the portal, which is ours. Raises ApiError 403."""
        where = [request.headers.get(f"Sec-Fetch-{name}", "") for name in ("Site", "Mode", "Dest")]
        if where[0] in ("cross-site", "same-site") and where[1:] != ["navigate", "document"]:
            raise Refused(403, "from_elsewhere")

    def require(self, rights: Rights) -> None:
        if not opens(self.visit(), rights):
            note().outcome = "insufficient"
            raise Refused(403, "not_yours")

    def language(self) -> Language:
        given = request.args.get("lang") or request.cookies.get(LANGUAGE_COOKIE, "")
        if given in ("ru", "en"):
            return "ru" if given == "ru" else "en"
        best = request.accept_languages.best
        return language_of(best.partition("-")[0]) if best else "ru"

    def clock(self) -> Clock:
        name, zone = zone_of(request.args.get("tz") or request.cookies.get(ZONE_COOKIE, ""))
        return Clock(name, zone, self.language(), int(time.time()))

    def words(self) -> dict[str, str]:
        language = self.language()
        return {**COMMON[language], **ADMIN[language]}

    # --- answers

    def show(self, template: str, status: int = 200, **context: Any) -> Response:
        return packed(Response(self.text(template, **context), status, mimetype="text/html"))

    def text(self, template: str, **context: Any) -> str:
        clock = self.clock()
        visit: Visit | None = g.get("visit")
        is_admin = visit is not None and opens(visit, "admin")
        shared: Mapping[str, Any] = {
            "base": self.base,
            "versions": versions(),
            "language": clock.language,
            "clock": clock,
            "t": self.words(),
            "visit": visit,
            "is_admin": is_admin,
            "may_export": visit is not None and opens(visit, "export"),
            "form": self.keeper.form_token(self.cookie) if visit else "",
            "errors": ERRORS[clock.language],
            "here": self._here(),
            "kept": [(name, value) for name, value in request.args.items(multi=True) if name not in ("lang", "tz")],
            "sections": SECTIONS if is_admin else SECTIONS[:READERS],
            "section": "",
        }
        return rendered(template, {**shared, **context})

    def _here(self) -> str:
        """This address without what only sets a preference, for the links that set one."""
        pairs = [(k, v) for k, v in request.args.items(multi=True) if k not in ("lang", "tz")]
        query = "&".join(f"{quote(k)}={quote(v)}" for k, v in pairs)
        return f"{self.base}{request.path.removeprefix('/ui')}?{query}" + ("&" if query else "")

    def inside(self, address: str) -> str:
        """An address of ours to go to, or the first page when it leads anywhere else."""
        path = urlsplit(address)
        is_ours = not (path.scheme or path.netloc) and address.startswith("/ui/") and "\\" not in address
        return f"{self.base}{address.removeprefix('/ui')}" if is_ours else f"{self.base}/"

    def finish(self, response: Response) -> Response:
        response.headers.setdefault("Cache-Control", "no-store")
        response.headers.setdefault("Content-Security-Policy", policy(self.portal()))
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers["Referrer-Policy"] = "no-referrer"
        response.headers["Cross-Origin-Opener-Policy"] = "same-origin"
        for name, cookie, known in (
            ("lang", LANGUAGE_COOKIE, request.args.get("lang") in ("ru", "en")),
            ("tz", ZONE_COOKIE, bool(request.args.get("tz"))),
        ):
            if known:
                value = self.clock().zone_name if name == "tz" else request.args[name]
                self._keep(response, cookie, value, framed=is_framed(), max_age=YEAR_S)
        return response

    def sign_in(self, response: AnyResponse, cookie: str, *, framed: bool) -> None:
        self._keep(response, COOKIE, cookie, framed=framed, httponly=True)

    def sign_out(self, response: AnyResponse) -> None:
        for framed in {False, is_secure()}:
            self._keep(response, COOKIE, "", framed=framed, httponly=True, max_age=0)

    def _keep(
        self,
        response: AnyResponse,
        name: str,
        value: str,
        *,
        framed: bool,
        httponly: bool = False,
        max_age: int | None = None,
    ) -> None:
        """In a frame of the portal a cookie is another site's: browsers keep it over https only, and apart."""
        secure = is_secure()
        response.set_cookie(
            name,
            value,
            max_age=max_age,
            path=f"{self.base}/",
            httponly=httponly,
            secure=secure,
            samesite="None" if framed and secure else "Lax",
            partitioned=framed and secure,
        )

    def error(self, status: int, code: str, message: str) -> Response:
        note().error_code = code
        title, hint = ERRORS[self.language()].get(code, (ERRORS[self.language()]["failed"][0], message))
        return self.show("error.html", status, title=title, hint=hint, trace_id=trace_id())

    def handle_errors(self, pages: Blueprint) -> None:
        @pages.errorhandler(ApiError)
        def refused(error: ApiError) -> Response:
            return self.error(error.status, error.code, error.message)

        @pages.errorhandler(HTTPException)
        def http_error(error: HTTPException) -> Response:
            status = error.code or 500
            return self.error(status, "not_found" if status == 404 else "failed", str(error.name))

        @pages.errorhandler(Exception)
        def unforeseen(error: Exception) -> Response:
            log.exception("a page failed in an unforeseen way", extra={"trace_id": trace_id()})
            return self.error(500, "failed", "")

        @pages.errorhandler(StorageError)
        def storage_error(error: StorageError) -> Response:
            return self.error(503, "storage", f"{error}; {error.next_step}".rstrip("; "))


def is_framed() -> bool:
    """Whether the browser shows the answer in a frame; False where it does not tell (over plain http)."""
    return request.headers.get("Sec-Fetch-Dest") == "iframe"


def is_secure() -> bool:
    """Whether the browser speaks https with us, or with the proxy before us."""
    return request.is_secure or request.headers.get("X-Forwarded-Proto", "") == "https"
