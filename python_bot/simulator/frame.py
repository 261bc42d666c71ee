"""The portal's page that shows an application in a frame, and answers what the application's page asks of it.

`/app/<client_id>/?user=1&lang=ru`. Frame name, form and messages are those of the portal's component `app.layout`: the
page in the frame says "command:{json}:callback:APP_SID" and hears "callback:{json}", and only its own origin is heard.
Who is logged in says the query: this portal has no passwords.
"""

from __future__ import annotations

import json
from html import escape
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qs, urlsplit

from .apps import App
from .faults import Answer
from .php import as_int, as_text, parse_str

if TYPE_CHECKING:
    from .core import Core
    from .http import HttpRequest

PATH: Final = "/app/"
HTML: Final = "text/html; charset=utf-8"
_PAGE: Final = """<!doctype html><html lang="ru"><head><meta charset="utf-8">
<title>Битрикс24</title><link rel="icon" href="data:,">
<style>
body { margin: 0; display: flex; flex-direction: column; height: 100vh; background: #2fc6f6; font: 14px sans-serif }
h1 { color: #fff; font-size: 18px; margin: 10px 16px } iframe { flex: 1; border: 0; background: #fff }
</style></head><body><h1>Битрикс24</h1>
<form method="POST" hidden></form><iframe title="application"></iframe>
<script>
"use strict";
const known = %s;
const form = document.querySelector("form");
let frame = document.querySelector("iframe");
function show(opened) {
  known.opened = opened;
  const fresh = Object.assign(document.createElement("iframe"), { title: "application", name: opened.name });
  frame.replaceWith(fresh);
  frame = fresh;
  form.target = opened.name;
  form.action = opened.url;
  form.replaceChildren(...Object.entries(opened.form).map(([name, value]) => Object.assign(
    document.createElement("input"), { name, value })));
  HTMLFormElement.prototype.submit.call(form);
}
async function control(action) {
  return (await fetch(location.pathname + action + location.search, { method: "POST" })).json();
}
const commands = {
  getInitData: () => control("init"),
  refreshAuth: () => control("refresh"),
  setInstallFinish: async () => { show(await control("finish")); },
};
window.addEventListener("message", async (event) => {
  if (event.origin !== known.origin || event.source !== frame.contentWindow) return;
  const parts = event.data.split(":");
  const [callback, sid] = parts.slice(-2), params = parts.slice(1, -2).join(":");
  if (sid !== known.opened.sid || !commands[parts[0]]) return;
  if (params) JSON.parse(params);
  window.heard = [...(window.heard || []), parts[0]];
  const answer = await commands[parts[0]]();
  if (answer) event.source.postMessage(callback + ":" + JSON.stringify(answer), known.origin);
});
show(known.opened);
</script></body></html>"""


def answer(core: Core, request: HttpRequest) -> Answer:
    client_id, _, action = request.path.removeprefix(PATH).partition("/")
    query = parse_str(request.query)
    app, user = core.apps.get(client_id), core.users.get(as_int(query.get("user")) or 1)
    if app is None or app.deleted or user is None or not user.is_employee:
        return Answer(404, b"<html><body>404</body></html>", HTML)
    language = as_text(query.get("lang")) or "ru"
    if action == "":
        parts = urlsplit(app.handler_url)
        known = {"origin": f"{parts.scheme}://{parts.netloc}", "opened": _opened(app, user.user_id, language)}
        return Answer(200, (_PAGE % json.dumps(known).replace("<", "\\u003c")).encode(), HTML)
    if action == "finish":
        app.install_finish()
        return _json(_opened(app, user.user_id, language))
    if action in ("init", "refresh"):
        tokens = app.tokens(user.user_id)
        found: dict[str, Any] = {"AUTH_ID": tokens.access_token, "REFRESH_ID": tokens.refresh_token}
        found["AUTH_EXPIRES"] = "3600"
        if action == "init":
            found |= {"LANG": language, "DOMAIN": core.host, "PROTOCOL": 0, "PATH": "/rest", "IS_ADMIN": user.admin}
            found |= {"MEMBER_ID": core.member_id, "INSTALL": not app.installed, "FIRST_RUN": False}
        return _json(found)
    return Answer(404, escape(action).encode(), HTML)


def _opened(app: App, user_id: int, language: str) -> dict[str, Any]:
    opened = app.open(user_id, language=language)
    query = parse_qs(urlsplit(opened.url).query)
    domain, protocol, sid = (query[key][0] for key in ("DOMAIN", "PROTOCOL", "APP_SID"))
    return {"url": opened.url, "form": opened.form, "name": f"{domain}|{protocol}|{sid}", "sid": sid}


def _json(value: Any) -> Answer:
    return Answer(200, json.dumps(value).encode(), "application/json")
