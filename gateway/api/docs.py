"""The API's description: for programs (``/openapi.json``) and for people (``/docs``), all of it from here."""

import asyncio
import json
from collections.abc import Callable, Iterable
from functools import cache
from html import escape
from typing import Any

from aiohttp import web

_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'"
_STYLE = """
:root { color-scheme: light dark; --line: #8884; --soft: #8881; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
h2 { margin-top: 2.5rem; border-bottom: 1px solid var(--line); }
details { border: 1px solid var(--line); border-radius: 6px; margin: .5rem 0; padding: .4rem .8rem; }
summary { cursor: pointer; }
code, pre { font: 14px/1.4 ui-monospace, monospace; }
pre { background: var(--soft); padding: .6rem; overflow-x: auto; border-radius: 6px; }
table { border-collapse: collapse; }
td, th { padding: .2rem .8rem .2rem 0; text-align: left; vertical-align: top; }
.method { display: inline-block; min-width: 4.5rem; font-weight: 700; }
"""


class Docs:
    """Serves the description; lives as long as the process.

    Args:
        described: returns it (see :func:`gateway.api.openapi.openapi`). That takes 50 ms, so nobody waits for
            it but who reads it first, and no call does.
    """

    def __init__(self, described: Callable[[], dict[str, Any]]) -> None:
        self._described = cache(described)
        self._json = cache(lambda: json.dumps(self._described(), ensure_ascii=False))
        self._page = cache(lambda: page(self._described()))

    def routes(self) -> list[web.RouteDef]:
        """Return the two routes."""
        return [web.get("/openapi.json", self.describe), web.get("/docs", self.show)]

    async def describe(self, request: web.Request) -> web.Response:
        """Answer with the OpenAPI document."""
        return web.Response(text=await asyncio.to_thread(self._json), content_type="application/json")

    async def show(self, request: web.Request) -> web.Response:
        """Answer with the page."""
        headers = {"Content-Security-Policy": _POLICY, "X-Content-Type-Options": "nosniff"}
        text = await asyncio.to_thread(self._page)
        return web.Response(text=text, content_type="text/html", charset="utf-8", headers=headers)


def page(description: dict[str, Any]) -> str:
    """Return the description as one page of HTML."""
    groups: dict[str, list[str]] = {}
    for path, methods in description["paths"].items():
        for method, operation in methods.items():
            groups.setdefault(operation["tags"][0], []).append(_operation(path, method, operation))
    body = "".join(f"<h2>{escape(tag)}</h2>{''.join(parts)}" for tag, parts in groups.items())
    schemas = "".join(
        f"<details><summary><code>{escape(name)}</code></summary>{_json(schema)}</details>"
        for name, schema in sorted(description["components"]["schemas"].items())
    )
    title = escape(description["info"]["title"])
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title} API</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<style>{_STYLE}</style></head><body><h1>{title} API</h1>"
        f"<p>{escape(description['info']['description'])} Send <code>Authorization: Bearer va_…</code>. "
        'The same for programs: <a href="/openapi.json">openapi.json</a>.</p>'
        f"{body}<h2>Schemas</h2>{schemas}</body></html>"
    )


def _operation(path: str, method: str, operation: dict[str, Any]) -> str:
    access = " or ".join(name for choice in operation["security"] for name in choice) or "nothing"
    body = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema")
    return (
        f'<details><summary><span class="method">{method.upper()}</span> <code>{escape(path)}</code> '
        f"{escape(operation['summary'])}</summary><p>Needs: {escape(access)}.</p>"
        f"{_parameters(operation['parameters'])}{_part('Body', body)}{_answers(operation['responses'])}"
        "</details>"
    )


def _parameters(parameters: Iterable[dict[str, Any]]) -> str:
    rows = "".join(
        f"<tr><td><code>{escape(one['name'])}</code></td><td>{one['in']}</td>"
        f"<td><code>{escape(json.dumps(one['schema']))}</code></td></tr>"
        for one in parameters
    )
    return f"<table><tr><th>Parameter</th><th>In</th><th>Schema</th></tr>{rows}</table>" if rows else ""


def _answers(answers: dict[str, Any]) -> str:
    rows = "".join(
        f"<tr><td>{status}</td><td>{escape(one['description'])}</td></tr>" for status, one in answers.items()
    )
    good = next(one for status, one in answers.items() if status.startswith("2"))
    schema = good["content"].get("application/json", {}).get("schema", {}).get("properties", {}).get("data")
    return f"{_part('Data of the answer', schema)}<table>{rows}</table>"


def _part(title: str, schema: dict[str, Any] | None) -> str:
    return "" if schema is None else f"<p>{title}:</p>{_json(schema)}"


def _json(schema: dict[str, Any]) -> str:
    return f"<pre>{escape(json.dumps(schema, indent=1, ensure_ascii=False))}</pre>"
