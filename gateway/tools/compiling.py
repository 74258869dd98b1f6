"""Makes tools that can run of the tables that describe them. PURE: what reads files is passed in."""

import base64
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from gateway.egress import destinations, headers
from gateway.egress.destinations import Policy
from gateway.tools.definitions import Builtin, Webhook
from gateway.tools.expressions import Scope
from gateway.tools.faults import Faults
from gateway.tools.json_template import JsonTemplate
from gateway.tools.masking import Mask
from gateway.tools.picking import Pick
from gateway.tools.question import ComfortPlan
from gateway.tools.references import References
from gateway.tools.schema import ArgumentSchema
from gateway.tools.spec import (
    Auth,
    BasicAuth,
    BearerAuth,
    BuiltinTool,
    Comfort,
    HeaderAuth,
    WebhookTool,
)
from gateway.tools.templates import (
    ANSWER_NAMES,
    ERROR_NAMES,
    REQUEST_NAMES,
    HeaderTemplate,
    KeyTemplate,
    TextBody,
    TextTemplate,
)
from gateway.tools.url_template import UrlTemplate

_OURS: Final = frozenset({"content-length", "content-type", "idempotency-key", "traceparent", "tracestate"})
_CONTENT_TYPE = re.compile(r"[\w.+-]+/[\w.+-]+( ?; ?[\w-]+=[\w.:+-]+)*", re.ASCII).fullmatch


@dataclass(frozen=True, slots=True)
class Compiler:
    """Compiles the tools of one file. Lives as long as the file is being read.

    Attributes:
        policy: where requests may go; None while that is faulty, and no destination is judged.
        folder: where relative paths start.
        load_filler: returns a clip by its name or its path, as µ-law at 8 kHz; raises ValueError or OSError.
        fillers: those loaded so far.
    """

    references: References
    policy: Policy | None
    folder: Path
    load_filler: Callable[[str], bytes] = field(repr=False)
    fillers: dict[str, bytes] = field(default_factory=dict, repr=False)

    def webhook(self, spec: WebhookTool, label: str, faults: Faults) -> Webhook | None:
        """Return a tool that can run; None when it is faulty, each fault being added at its place."""
        before = len(faults.lines)
        scope = Scope(REQUEST_NAMES, self.references.resolve)
        url = faults.at("url").attempt(UrlTemplate.compile, spec.url, scope)
        if url is not None:
            self._judge(url.sample(), faults.at("url"))
        self._judge(spec.callback_url, faults.at("callback_url"))
        if not _CONTENT_TYPE(spec.content_type):
            faults.at("content_type").add('is no content type; write one like "application/json"')
        compiled = Webhook(
            spec=spec,
            label=label,
            schema=_schema(spec, faults),
            mask=Mask.of(spec.sensitive),
            on_error=self._text(spec.on_error, ERROR_NAMES, "on_error", faults.at("on_error")),
            comfort=self._comfort(spec.comfort, faults.at("comfort")),
            url=url or UrlTemplate((), None),
            headers=_headers(spec, scope, faults),
            query=_query(spec, scope, faults.at("query")),
            auth=self._auth(spec, faults.at("auth")),
            body=_body(spec, scope, faults),
            idempotency=_key(spec, scope, faults.at("idempotency", "key")),
            pick=_pick(spec, faults.at("response", "pick")),
            response=self._text(
                spec.response.template, ANSWER_NAMES, "answer", faults.at("response", "template")
            ),
        )
        return compiled if len(faults.lines) == before else None

    def builtin(self, spec: BuiltinTool, label: str, faults: Faults) -> Builtin | None:
        """Return a tool that can run; None when it is faulty, each fault being added at its place."""
        before = len(faults.lines)
        compiled = Builtin(
            spec=spec,
            label=label,
            schema=_schema(spec, faults),
            mask=Mask.of(spec.sensitive),
            on_error=self._text(spec.on_error, ERROR_NAMES, "on_error", faults.at("on_error")),
            comfort=self._comfort(spec.comfort, faults.at("comfort")),
        )
        return compiled if len(faults.lines) == before else None

    def _judge(self, url: str | None, faults: Faults) -> None:
        if url is not None and self.policy is not None:
            for fault in destinations.faults(url, self.policy):
                faults.add(fault)

    def _text(
        self, source: str | None, names: tuple[str, ...], purpose: str, faults: Faults
    ) -> TextTemplate | None:
        if source is None:
            return None
        scope = Scope(names, self.references.resolve)
        return faults.attempt(TextTemplate.compile, source, scope, purpose)

    def _comfort(self, comfort: Comfort, faults: Faults) -> ComfortPlan:
        filler = self._filler(comfort.filler, faults.at("filler")) if comfort.filler_s else b""
        return ComfortPlan(comfort.filler_s, filler, comfort.hold_s)

    def _filler(self, name: str, faults: Faults) -> bytes:
        # A name with a slash or a full stop is a path; no clip of ours has one.
        path = str(self.folder / name) if "/" in name or "." in name else name
        if path not in self.fillers:
            try:
                self.fillers[path] = self.load_filler(path)
            except OSError as error:
                faults.add(f"cannot be read ({error.strerror}); name a clip of the gateway's, or a WAV file")
            except ValueError as error:
                faults.add(str(error))
        return self.fillers.get(path, b"")

    def _auth(self, spec: WebhookTool, faults: Faults) -> tuple[str, str] | None:
        credentials = _credentials(spec.auth, faults)
        if credentials is None:
            return None
        header, value, secret = credentials
        self.references.secrets.update({secret, value.rpartition(" ")[2]})
        if header.lower() in {name.lower() for name in spec.headers}:
            faults.add(f"sets the header {header}, and so does headers; keep one")
        doubtful = faults.at("header").is_doubtful
        name_fault = None if doubtful else _name_fault(header)
        value_fault = _secret_fault("of auth" if doubtful else header, value)
        for fault in filter(None, (name_fault, value_fault)):
            faults.add(fault)
        return header, value


def _credentials(auth: Auth, faults: Faults) -> tuple[str, str, str] | None:
    """Return the header that shows who we are, its value, and the secret in it."""
    match auth:
        case BearerAuth(token=token):
            return "Authorization", f"Bearer {token}", token
        case BasicAuth(username=username, password=password):
            if ":" in username:
                faults.at("username").add("must not have a colon; leave it out")
            pair = base64.b64encode(f"{username}:{password}".encode()).decode()
            return "Authorization", f"Basic {pair}", password
        case HeaderAuth(header=header, value=value):
            return header, value, value
        case _:
            return None


def _schema(spec: WebhookTool | BuiltinTool, faults: Faults) -> ArgumentSchema | None:
    if spec.arguments is None:
        return None
    return ArgumentSchema.compile(spec.arguments, faults.at("arguments"))


def _name_fault(name: str) -> str | None:
    if name.lower() in _OURS or name.lower().startswith("webhook-"):
        hint = "; set content_type" if name.lower() == "content-type" else "; remove it"
        return f"the header {name} is set by the gateway{hint}"
    return headers.fault({name: ""})


def _secret_fault(name: str, value: str) -> str | None:
    if not value.isascii():
        return f"the header {name} has a character that is not ASCII; was the secret pasted whole?"
    return headers.value_fault(name, value)


def _headers(spec: WebhookTool, scope: Scope, faults: Faults) -> Mapping[str, HeaderTemplate]:
    compiled: dict[str, HeaderTemplate] = {}
    for name, source in spec.headers.items():
        place = faults.at("headers", name)
        if name.lower() in {one.lower() for one in compiled}:
            place.add("is there twice; keep one")
        if (fault := _name_fault(name)) is not None:
            place.add(fault)
        template = place.attempt(HeaderTemplate.compile, name, source, scope)
        compiled |= {} if template is None else {name: template}
    return compiled


def _query(spec: WebhookTool, scope: Scope, faults: Faults) -> Mapping[str, TextTemplate]:
    compiled: dict[str, TextTemplate] = {}
    for name, source in spec.query.items():
        template = faults.at(name).attempt(
            TextTemplate.compile, source, scope, f"query {name}", destinations.MAX_URL_CHARS
        )
        compiled |= {} if template is None else {name: template}
    return compiled


def _body(spec: WebhookTool, scope: Scope, faults: Faults) -> JsonTemplate | TextBody | None:
    source = spec.body
    if source is None:
        return None
    if isinstance(source, str):
        # Of a content type that nobody knows, nobody knows the escape.
        content_type = "" if faults.at("content_type").is_doubtful else spec.content_type
        return faults.at("body").attempt(TextBody.compile, source, scope, content_type)
    return JsonTemplate.compile(source, scope, faults.at("body"))


def _key(spec: WebhookTool, scope: Scope, faults: Faults) -> KeyTemplate | None:
    if spec.idempotency is None:
        return None
    return faults.attempt(KeyTemplate.compile, spec.idempotency.key, scope)


def _pick(spec: WebhookTool, faults: Faults) -> Pick | None:
    source = spec.response.pick
    return None if source is None else faults.attempt(Pick.compile, source)
