"""The page for people, made from the contract: `python -m tests.support.reference` writes it anew."""

from __future__ import annotations

import re
from html import escape
from typing import Any, Final

from .contract import Operation, load, operations, resolve
from .server import ROOT

PAGE: Final = ROOT / "python_bot/web/api/reference.html"
STYLE: Final = """
:root { color-scheme: light dark; --line: #8884; --soft: #8881; --link: #0b62b8 }
@media (prefers-color-scheme: dark) { :root { --link: #7ab8f5 } }
* { box-sizing: border-box }
body { font: 16px/1.5 system-ui, sans-serif; margin: 0 auto; max-width: 56rem; padding: 1rem; overflow-wrap: anywhere }
a { color: var(--link) }
h1 { font-size: 1.6rem; margin: .5rem 0 }
h2 { border-bottom: 1px solid var(--line); font-size: 1.25rem; margin: 2.5rem 0 1rem; padding-bottom: .25rem }
h3 { background: var(--soft); border-radius: .4rem; font: 600 1rem/1.4 ui-monospace, monospace; margin: 2rem 0 .5rem;
  padding: .5rem .75rem }
h4 { font-size: .95rem; margin: 1rem 0 .25rem }
code { background: var(--soft); border-radius: .25rem; font: .9em ui-monospace, monospace; padding: 0 .2em }
dl { margin: 0 }
dt { border-top: 1px solid var(--line); padding-top: .35rem }
dd { margin: 0 0 .35rem; }
dt small, .soft { opacity: .75 }
nav ul { columns: 2 16rem; list-style: none; margin: 0; padding: 0 }
nav li { break-inside: avoid; padding: .15rem 0 }
"""


def page() -> str:
    contract = load()
    every = list(operations(contract))
    info = contract["info"]
    parts = [
        '<!doctype html>\n<html lang="en">\n<meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{escape(info['title'])} API</title>\n<style>{STYLE}</style>",
        f"<h1>{escape(info['title'])} API {escape(info['version'])}</h1>\n<p>{_text(info['summary'])}</p>",
        f"<p>{_text(info['description'])}</p>",
        '<p><a href="openapi.yaml">openapi.yaml</a> · OpenAPI 3.1</p>',
        "<h2>Tokens · Токены</h2>\n<dl>",
        *(
            f"<dt><code>{escape(name)}</code></dt><dd>{_text(each['description'])}</dd>"
            for name, each in contract["components"]["securitySchemes"].items()
        ),
        "</dl>\n<nav>\n<h2>Addresses · Адреса</h2>\n<ul>",
        *(f'<li><a href="#{each.spec["operationId"]}">{_head(each)}</a></li>' for each in every),
        "</ul>\n</nav>",
    ]
    for tag in contract["tags"]:
        parts.append(f"<h2>{_text(tag['description'])}</h2>")
        parts += [_operation(contract, each) for each in every if tag["name"] in each.spec["tags"]]
    parts.append("<h2>Answers · Ответы</h2>")
    for name, schema in contract["components"]["schemas"].items():
        parts.append(f'<h3 id="{name}">{name}</h3>')
        parts.append(_fields(contract, schema))
    return "\n".join(parts) + "\n</html>\n"


def _operation(contract: dict[str, Any], operation: Operation) -> str:
    spec = operation.spec
    parts = [f'<section id="{spec["operationId"]}">\n<h3>{_head(operation)}</h3>\n<p>{_text(spec["summary"])}</p>']
    if "description" in spec:
        parts.append(f"<p>{_text(spec['description'])}</p>")
    if "x-scope" in spec:
        parts.append(f'<p class="soft">Token · Токен: <code>{spec["x-scope"]}</code></p>')
    if operation.parameters:
        parts.append("<h4>Parameters · Параметры</h4>\n<dl>")
        parts += [_row(contract, each["name"], each["schema"], each) for each in operation.parameters]
        parts.append("</dl>")
    if "requestBody" in spec:
        parts.append("<h4>Body · Тело запроса</h4>")
        parts.append(_fields(contract, spec["requestBody"]["content"]["application/json"]["schema"]))
    parts.append("<h4>Answers · Ответы</h4>\n<dl>")
    for status, answer in spec["responses"].items():
        found = resolve(contract, answer)
        what = " ".join(_content(contract, kind, media) for kind, media in found.get("content", {}).items())
        parts.append(f"<dt><code>{status}</code> <small>{what}</small></dt><dd>{_text(found['description'])}</dd>")
    return "\n".join([*parts, "</dl>\n</section>"])


def _content(contract: dict[str, Any], kind: str, media: dict[str, Any]) -> str:
    schema = media["schema"]
    if "$ref" in schema:
        return _type(contract, schema)
    for part in schema.get("allOf", ()):
        if "properties" in part:
            return " ".join(
                f"<code>{code}</code>" for code in part["properties"]["error"]["properties"]["code"]["enum"]
            )
    return f"<code>{escape(kind)}</code>"


def _fields(contract: dict[str, Any], schema: dict[str, Any]) -> str:
    parts = []
    for part in schema.get("allOf", ()):
        parts.append(f"<p>{_type(contract, part)} +</p>" if "$ref" in part else _fields(contract, part))
    if "properties" in schema:
        needed = schema.get("required", ())
        rows = [
            _row(contract, name, each, each | {"required": name in needed})
            for name, each in schema["properties"].items()
        ]
        parts.append("<dl>\n" + "\n".join(rows) + "\n</dl>")
        for name, each in schema["properties"].items():
            inner = each.get("items", each)
            if isinstance(inner.get("additionalProperties"), dict):
                inner = inner["additionalProperties"]
            if "properties" in inner:
                parts.append(f"<h4><code>{escape(name)}</code></h4>\n{_fields(contract, inner)}")
    if not parts:
        parts.append(f"<p>{_type(contract, schema)}</p>")
    return "\n".join(parts)


def _row(contract: dict[str, Any], name: str, schema: dict[str, Any], told: dict[str, Any]) -> str:
    optional = "" if told.get("required") else " · optional"
    where = f" · {told['in']}" if told.get("in") in ("path", "header") else ""
    example = told.get("example", schema.get("example"))
    shown = f" <small>{escape(str(example))}</small>" if example is not None else ""
    description = told.get("description") or resolve(contract, schema).get("description", "")
    head = f"<dt><code>{escape(name)}</code> <small>{_type(contract, schema)}{where}{optional}</small></dt>"
    return f"{head}<dd>{_text(description)}{shown}</dd>"


def _type(contract: dict[str, Any], schema: dict[str, Any]) -> str:
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f'<a href="#{name}">{name}</a>'
    if "oneOf" in schema:
        return " | ".join(_type(contract, each) for each in schema["oneOf"])
    if "items" in schema:
        return f"[{_type(contract, schema['items'])}]"
    if "enum" in schema:
        return " | ".join(f"<code>{escape('null' if each is None else str(each))}</code>" for each in schema["enum"])
    kinds = schema.get("type", "object")
    text = " | ".join(kinds) if isinstance(kinds, list) else kinds
    ends = [schema.get("minimum"), schema.get("maximum")]
    span = f" {ends[0]}…{ends[1]}" if None not in ends else f" ≥ {ends[0]}" if ends[0] is not None else ""
    default = f" = {schema['default']}" if "default" in schema else ""
    return escape(text + span + default)


def _head(operation: Operation) -> str:
    return f"{operation.method} {escape(operation.path)}"


def _text(text: str) -> str:
    """`code` in backticks; everything else as it is."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(text, quote=False))


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
