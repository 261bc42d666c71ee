"""In and out: a token, or the portal's word, becomes a cookie; leaving ends the visit for good."""

from __future__ import annotations

from flask import Blueprint, Response, redirect, request
from werkzeug.wrappers import Response as AnyResponse

from ..errors import ApiError
from ..inbound import note
from .frame import Frame, is_framed
from .refusal import Refused


def put_on(ui: Blueprint, frame: Frame) -> None:
    @ui.get("/enter")
    def form() -> AnyResponse:
        if frame.keeper.visit(frame.cookie) is not None:
            return redirect(frame.inside(request.args.get("next", "")), 303)
        return _form("")

    @ui.post("/enter")
    def enter() -> AnyResponse:
        if request.headers.get("Sec-Fetch-Site", "same-origin") not in ("same-origin", "none"):
            raise Refused(403, "form_expired")  # nobody is signed in from another site
        word, found = request.form.get("word", ""), note()
        found.authorization = "access_token" if word else "bearer"
        try:
            if word:
                cookie = frame.keeper.enter_with_word(word)
            else:
                cookie = frame.keeper.enter_with_token(request.form.get("token", "").strip())
        except ApiError as error:
            found.outcome, found.error_code = "unknown", error.code
            return _form(error.code, error.status)
        found.outcome = "ok"
        response = redirect(frame.inside(request.form.get("next", "")), 303)
        frame.sign_in(response, cookie, framed=request.form.get("framed") == "1")
        return response

    @ui.post("/leave")
    def leave() -> AnyResponse:
        if (turned_away := frame.admit()) is not None:
            return turned_away
        frame.keeper.end(frame.visit().id)
        response = redirect(f"{frame.base}/enter", 303)
        frame.sign_out(response)
        return response

    def _form(problem: str, status: int = 200) -> Response:
        back = request.form.get("next") or request.args.get("next", "")
        # A cookie of ours in another site's frame is kept over https only, and by some browsers not even then.
        return frame.show("enter.html", status, problem=problem, next=back, is_framed=is_framed())
