"""Tools compiled: what each key of the file comes to, and what it may not be."""

import base64
import json
from collections.abc import Mapping

import pytest

from gateway.tools.definitions import Webhook
from tests.tools.files import faults, parse, webhook, webhook_faults
from tests.tools.templating import facts

CANARY = "canary-0123456789"
FACTS = facts(name="Ada B", n=4) | {
    "answer": {"text": "hi", "json": {"n": 5}},
    "error": {"reason": "timeout"},
}


def tool(
    lines: str = "", env: Mapping[str, str] | None = None, files: Mapping[str, bytes] | None = None
) -> Webhook:
    """Return the tool of a file that has these lines."""
    [made] = parse(webhook(lines), env, files).tools
    assert isinstance(made, Webhook)
    return made


def test_the_smallest_tool() -> None:
    """Name and URL alone make a tool with the defaults."""
    made = tool()

    assert made.url.render(FACTS) == "https://h.example/book"
    assert (made.label, made.schema, made.auth, made.body, made.pick) == ("book", None, None, None, None)
    assert (made.response, made.on_error, made.idempotency) == (None, None, None)
    assert (dict(made.headers), dict(made.query), made.mask.names) == ({}, {}, frozenset())
    assert (made.comfort.filler_s, made.comfort.filler, made.comfort.hold_s) == (2.0, b"one_moment", 0.0)


def test_every_template_is_compiled_with_its_references() -> None:
    """What a request and its answers are made of, filled in."""
    made = tool(
        """
        headers = { X-Name = "{{ arguments.name }} ${KEY}" }
        query = { q = "{{ arguments.n }}", key = "${KEY}" }
        body = { name = "{{ arguments.name }}", n = "{{ arguments.n }}", key = "${KEY}" }
        idempotency = { key = "${KEY}-{{ arguments.n }}" }
        response = { template = "{{ answer.text }} {{ answer.json.n }} {{ arguments.n }}" }
        on_error = "{{ error.reason }} of {{ call.id }}"
        """,
        {"KEY": "{{k}}"},
    )
    body, key, response, on_error = made.body, made.idempotency, made.response, made.on_error
    assert body is not None
    assert key is not None
    assert response is not None
    assert on_error is not None

    assert {name: one.render(FACTS) for name, one in made.headers.items()} == {"X-Name": "Ada B {{k}}"}
    assert {name: one.render(FACTS) for name, one in made.query.items()} == {"q": "4", "key": "{{k}}"}
    assert json.loads(body.render(FACTS)) == {"name": "Ada B", "n": 4, "key": "{{k}}"}
    assert key.render(FACTS) == "{{k}}-4"
    assert response.render(FACTS) == "hi 5 4"
    assert on_error.render(FACTS) == "timeout of c1"


def test_a_text_body_and_a_pick() -> None:
    """The other forms of a body and of an answer."""
    made = tool(
        'content_type = "text/plain; charset=utf-8"\nbody = "{{ arguments.n }}!"\nresponse = { pick = "$.a" }'
    )
    body, pick = made.body, made.pick
    assert body is not None
    assert pick is not None

    assert body.render(FACTS) == b"4!"
    assert pick.text({"a": "b"}) == "b"


def test_schema_and_mask() -> None:
    """Arguments are checked by the schema and masked by their names."""
    made = tool(
        'sensitive = ["pin"]\narguments = { type = "object", properties = { n = { type = "integer" } } }'
    )
    assert made.schema is not None

    assert made.schema.check({"n": "4"}) == ({"n": 4}, [])
    assert made.mask.arguments({"pin": 1, "n": 2}) == {"pin": "••••", "n": 2}


@pytest.mark.parametrize(
    ("auth", "header"),
    [
        ('{ type = "none" }', None),
        ('{ type = "bearer", token = "${KEY}" }', ("Authorization", "Bearer k3y")),
        ('{ type = "header", header = "X-Api-Key", value = "${file:key}" }', ("X-Api-Key", "filed")),
        (
            '{ type = "basic", username = "ü", password = "${KEY}:x" }',
            ("Authorization", "Basic " + base64.b64encode("ü:k3y:x".encode()).decode()),
        ),
    ],
)
def test_each_kind_of_auth_is_a_header(auth: str, header: tuple[str, str] | None) -> None:
    """Secrets come from the environment or from files beside the tools file."""
    assert tool(f"auth = {auth}", {"KEY": "k3y"}, {"/etc/gateway/key": b"filed\n"}).auth == header


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        (
            'auth = { type = "basic", username = "a:b", password = "x" }',
            ["auth.username: must not have a colon; leave it out"],
        ),
        (
            'auth = { type = "bearer", token = "a\\nb" }',
            ["auth: the header Authorization has a line break or a control character: remove it"],
        ),
        (
            'auth = { type = "bearer", token = "tökén" }',
            [
                "auth: the header Authorization has a character that is not ASCII; "
                "was the secret pasted whole?"
            ],
        ),
        (
            'auth = { type = "header", header = "X Y", value = "x" }',
            ["auth: 'X Y' is no header name: use letters, digits and hyphens"],
        ),
        (
            'auth = { type = "header", header = "Webhook-Signature", value = "x" }',
            ["auth: the header Webhook-Signature is set by the gateway; remove it"],
        ),
        (
            'auth = { type = "bearer", token = "x" }\nheaders = { authorization = "y" }',
            ["auth: sets the header Authorization, and so does headers; keep one"],
        ),
        (
            'auth = { type = "header", header = "X Y", value = "a\\nb" }',
            [
                "auth: 'X Y' is no header name: use letters, digits and hyphens",
                "auth: the header X Y has a line break or a control character: remove it",
            ],
        ),
        (
            'auth = { type = "header", header = "${NONE}", value = "a\\nb" }',
            [
                "auth.header: the environment variable NONE is not set; set it, or use ${file:/path}",
                "auth: the header of auth has a line break or a control character: remove it",
            ],
        ),
    ],
)
def test_auth_that_cannot_be_sent(lines: str, told: list[str]) -> None:
    """A header that is none, is ours or is there twice is a fault, told without the secret."""
    assert webhook_faults(lines) == told


@pytest.mark.parametrize(
    "name",
    [
        "Webhook-Id",
        "webhook-timestamp",
        "WEBHOOK-SIGNATURE",
        "Idempotency-Key",
        "Content-Length",
        "Host",
        "traceparent",
        "Accept-Encoding",
        "Content-Type",
        "Connection",
        "Transfer-Encoding",
    ],
)
def test_our_own_headers_are_refused(name: str) -> None:
    """What the gateway or its client sets cannot be set here; of the content type the fix is told."""
    [told] = webhook_faults(f'headers = {{ {name} = "x" }}')

    assert told.startswith(f"headers.{name}: the header {name} is ")
    assert ("set content_type" in told) is (name == "Content-Type")


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        ('headers = { "a b" = "x" }', "headers.\"a b\": 'a b' is no header name"),
        ('headers = { a = "x", A = "y" }', "headers.A: is there twice; keep one"),
        ('headers = { a = "x\\ny" }', "headers.a: has a line break or a character"),
        ('headers = { a = "{{ nope }}" }', 'headers.a: uses the name "nope"'),
        ('query = { a = "{{ answer.text }}" }', 'query.a: uses the name "answer"'),
        ('body = { a = ["{{ nope }}"] }', 'body.a[0]: uses the name "nope"'),
        ('body = "{{ arguments.a }}"', "body: has an expression that could break out of its place"),
        ('idempotency = { key = "{{ nope }}" }', 'idempotency.key: uses the name "nope"'),
        ('response = { pick = "a" }', "response.pick: is no JSONPath"),
        ('response = { template = "{{ error.reason }}" }', 'response.template: uses the name "error"'),
        ('on_error = "{{ answer.text }}"', 'on_error: uses the name "answer"'),
        ('arguments = { type = "array" }', "arguments.type: must be"),
        ('body = "x"\ncontent_type = "text"', "content_type: is no content type"),
        ('body = "x"\ncontent_type = "text/plain\\r\\nX-Evil: 1"', "content_type: is no content type"),
        ('headers = { a = "${NONE}" }', "headers.a: the environment variable NONE is not set"),
        ('callback_url = "http://h.example"', "callback_url: the URL is http"),
        (
            'callback_url = "https://169.254.169.254/"',
            "callback_url: the host is the address of a cloud's metadata",
        ),
        ('callback_url = "{{ call.id }}"', "callback_url: the URL"),
        ('comfort = { filler = "nope" }', "comfort.filler: names neither a clip of ours nor"),
        ('comfort = { filler = "gone.wav" }', "comfort.filler: cannot be read (No such file or directory)"),
    ],
)
def test_each_fault_is_told_at_its_key(lines: str, told: str) -> None:
    """A tool with one fault has one line."""
    [line] = webhook_faults(lines)

    assert line.startswith(told)


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        ('headers = { "a b" = "{{ nope }}" }', ['headers."a b"', 'headers."a b"']),
        ('headers = { a = "x", A = "{{ nope }}" }', ["headers.A", "headers.A"]),
        ('content_type = "${NONE}"\nbody = "{{ arguments.a }}"', ["content_type"]),
        ('contenttype = "text/plain"\nbody = "{{ arguments.a }}"', ["contenttype"]),
        ('content_type = "${NONE}"\nbody = "{{ nope }}"', ["content_type", "body"]),
        ('callback_url = "${NONE}"\nlate_s = 9', ["callback_url"]),
        ('callback_url = "http://u@10.0.0.1:22/"', ["callback_url"] * 4),
    ],
)
def test_faults_that_have_nothing_to_do_with_each_other_are_all_told(lines: str, told: list[str]) -> None:
    """A name and its value are two things; what follows from a fault that has been told is not told."""
    assert [line.partition(": ")[0] for line in webhook_faults(lines)] == told


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("http://h.example/", "the URL is http"),
        ("ftp://h.example/", "the scheme ftp is not supported"),
        ("https://10.0.0.1/", "the host is a private address"),
        ("https://localhost/{{ arguments.a }}", "the host is a loopback address"),
        ("https://0x7f.1/", "the host is a loopback address"),
        ("https://u:p@h.example/", "the URL has a user or a password"),
        ("https://h.example:22/", "port 22 is for SSH"),
        ("https://{{ arguments.host }}/", "has a template before its path"),
        ("https://h.example/{{ arguments.a", "is no template"),
        ("${NONE}", "the environment variable NONE is not set"),
        ("h.example/x", "the URL is not whole"),
    ],
)
def test_a_url_is_judged_as_a_destination(url: str, told: str) -> None:
    """Where requests may not go is refused when the file is read."""
    [line] = faults(f'[[tools]]\nname = "book"\nurl = "{url}"')

    assert line.startswith(f'tools[0] "book": url: {told}')


def test_destinations_follow_the_policy() -> None:
    """What the file allows is allowed, and nothing is judged by a policy that is faulty itself."""
    tools = webhook('callback_url = "http://10.1.2.3/late"')

    assert len(faults(tools)) == 2
    assert parse(f'{tools}[egress]\nallow_http = true\nallow_private = ["10.1.0.0/16"]').tools
    assert [
        line.partition(":")[0] for line in faults(f'{tools}[egress]\nallow_private = ["10.1.2.3/16"]')
    ] == ["egress"]


def test_fillers_are_found_beside_the_file_and_loaded_once() -> None:
    """A name without slash or full stop is a clip of ours, anything else a path."""
    catalog = parse(
        """
        [[tools]]
        name = "a"
        builtin = "end_call"
        comfort = { filler = "sounds/good.wav" }
        [[tools]]
        name = "b"
        builtin = "end_call"
        comfort = { filler = "sounds/good.wav", hold_s = 5 }
        [[tools]]
        name = "c"
        builtin = "end_call"
        comfort = { filler = "/srv/good.wav" }
        [[tools]]
        name = "d"
        builtin = "end_call"
        comfort = { filler_s = 0, filler = "gone.wav" }
        """
    )
    plans = [made.comfort for made in catalog.tools]

    assert [plan.filler for plan in plans] == [
        b"/etc/gateway/sounds/good.wav",
        b"/etc/gateway/sounds/good.wav",
        b"/srv/good.wav",
        b"",
    ]
    assert plans[0].filler is plans[1].filler
    assert plans[1].hold_s == 5


def test_a_builtin_is_checked_like_any_tool() -> None:
    """Its schema, its templates and its filler have faults of their own."""
    told = faults(
        """
        [[tools]]
        name = "bye"
        builtin = "end_call"
        on_error = "{{ nope }}"
        arguments = { type = "string" }
        comfort = { filler = "nope" }
        """
    )

    assert [line.split(": ")[1] for line in told] == ["arguments.type", "on_error", "comfort.filler"]


def test_no_fault_shows_a_secret() -> None:
    """Secrets in every place that is faulty for another reason stay out of the message."""
    lines = """
        auth = { type = "header", header = "a b", value = "${KEY}" }
        headers = { a = "${KEY}{{ nope }}", b = "${KEY}\\n", Host = "${KEY}" }
        query = { a = "${KEY}{{ nope }}" }
        body = { a = "${KEY}{{ nope }}", b = "{{ '${KEY}' | nope }}" }
        callback_url = "http://${KEY}@h.example/${KEY}"
        idempotency = { key = "${KEY}{% nope %}" }
        response = { pick = "${KEY}", template = "${KEY}{{ nope }}" }
        deadline_s = "${KEY}"
        """
    told = webhook_faults(lines, {"KEY": CANARY}) + webhook_faults(
        lines.replace('deadline_s = "${KEY}"', "deadline_s = 5"), {"KEY": CANARY}
    )

    assert len(told) > 10
    assert CANARY not in "\n".join(told)
