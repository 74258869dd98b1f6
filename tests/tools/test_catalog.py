"""A file's tools: which answers a name, and how the whole file is refused."""

from collections.abc import Iterator, Mapping
from copy import deepcopy
from datetime import UTC, datetime
from functools import reduce
from operator import getitem
from pathlib import Path
from typing import Any, Final, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.egress.addresses import Allowance
from gateway.egress.destinations import Policy
from gateway.egress.signing import SigningKey
from gateway.tools.catalog import EMPTY, Catalog
from gateway.tools.spec import CallLimits, EgressTable
from gateway.tools.table_faults import Place
from tests.tools.files import document_faults, faults, load_filler, parse, webhook, webhook_faults

FIRST, SECOND = "3f0c1f5e-8f57-4f2b-9c57-2f4f3a1b7c11", "9d3e4a10-1c2b-4d5e-8f90-a1b2c3d4e5f6"
OLD_KEY, NEW_KEY = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX"


def routing(*entries: tuple[str, str], default: str = "") -> Catalog:
    """Return a catalogue of tools with these names, each for these agents (a TOML list)."""
    tools = "".join(
        f'[[tools]]\nname = "{name}"\nurl = "https://h.example/{number}"\nagents = {agents}\n'
        for number, (name, agents) in enumerate(entries)
    )
    return parse(tools + default)


def answering(catalog: Catalog, name: str, agent_id: str = FIRST) -> str | None:
    """Return the label of what answers a name."""
    tool = catalog.find(name, agent_id)
    return None if tool is None else tool.label


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("crm_find", "crm_find"),
        ("crm_find_all", "crm_find_*"),
        ("crm_add", "crm_*"),
        ("crm_", "crm_*"),
        ("crm", None),
        ("CRM_FIND", None),
        ("xrm_find", "?rm_find"),
        ("log1", "log[0-9]"),
        ("log", None),
        ("crm_find\n", "crm_*"),
        ("", None),
        ("crm_" + "x" * 300, None),
    ],
)
def test_the_most_literal_name_answers(name: str, label: str | None) -> None:
    """An exact name goes before a pattern, a longer pattern before a shorter; case counts."""
    catalog = routing(
        ("crm_*", "[]"), ("?rm_find", "[]"), ("crm_find_*", "[]"), ("crm_find", "[]"), ("log[0-9]", "[]")
    )

    assert answering(catalog, name) == label


def test_patterns_as_long_answer_in_the_files_order() -> None:
    """What a class stands for does not make a pattern longer."""
    assert answering(routing(("a*", "[]"), ("*b", "[]")), "ab") == "a*"
    assert answering(routing(("*b", "[]"), ("a*", "[]")), "ab") == "*b"
    assert answering(routing(("a[bcdefg]*", "[]"), ("ab*", "[]")), "abc") == "ab*"


def test_tools_of_other_agents_are_passed_over() -> None:
    """An entry that names agents answers them alone; what follows may answer the others."""
    catalog = routing(("book", f'["{FIRST}"]'), ("book*", f'["{SECOND}"]'), ("*", "[]"))

    assert answering(catalog, "book") == "book"
    assert answering(catalog, "book", FIRST.upper()) == "book"
    assert answering(catalog, "book", SECOND) == "book*"
    assert answering(catalog, "book", "") == "*"


def test_one_name_may_mean_another_tool_to_each_agent() -> None:
    """The same name twice is two tools when their agents differ."""
    catalog = routing(("book", f'["{FIRST}"]'), ("book", f'["{SECOND}"]'))
    first, second = (catalog.find("book", agent) for agent in (FIRST, SECOND))

    assert (first, second) == catalog.tools
    assert catalog.find("book", "") is None


def test_the_default_comes_last() -> None:
    """It takes what no other entry takes, for its agents, and has a label that no tool can have."""
    catalog = routing(
        ("*x", "[]"), default=f'[default]\nurl = "https://h.example/any"\nagents = ["{FIRST}"]\n'
    )

    assert answering(catalog, "x") == "*x"
    assert answering(catalog, "anything") == "(default)"
    assert answering(catalog, "anything", SECOND) is None
    assert [tool.label for tool in catalog.tools] == ["*x", "(default)"]


def test_a_tool_called_default_is_no_default() -> None:
    """Only the table of that name is."""
    catalog = routing(("default", "[]"), ("x", "[]"))

    assert answering(catalog, "anything") is None
    assert answering(catalog, "default") == "default"


def test_nothing_answers_in_an_empty_catalogue() -> None:
    """Without a file there are no tools, and the limits are the defaults."""
    assert EMPTY.find("book", FIRST) is None
    assert parse("") == EMPTY
    assert (EMPTY.tools, EMPTY.signing, EMPTY.secrets) == ((), (), frozenset())
    assert (EMPTY.per_host, EMPTY.parallel) == (EgressTable().per_host, CallLimits().parallel)
    assert EMPTY.policy == Policy(Allowance())


def test_the_tables_beside_the_tools() -> None:
    """Policy, keys and limits are those of the file, the current key first."""
    catalog = parse(
        f"""
        [egress]
        allow_private = ["10.1.0.0/16", "fd00::/8"]
        allow_http = true
        per_host = 3
        [signing]
        keys = ["${{NEW}}", "{OLD_KEY}"]
        [calls]
        parallel = 2
        """,
        {"NEW": NEW_KEY},
    )
    assert catalog.policy == Policy(Allowance.parse(["10.1.0.0/16", "fd00::/8"]), allow_http=True)
    assert [key.sign(b"x") for key in catalog.signing] == [
        SigningKey.parse(text).sign(b"x") for text in (NEW_KEY, OLD_KEY)
    ]
    assert (catalog.per_host, catalog.parallel) == (3, 2)


def test_every_secret_is_known_for_the_log() -> None:
    """Secrets from the environment, from files and written out, and what is made of them."""
    catalog = parse(
        webhook(
            """
            auth = { type = "basic", username = "u", password = "${PASSWORD}" }
            headers = { X-Key = "${HEADER}" }
            callback_url = "https://late.example/${PATH_TOKEN}"
            """
        )
        + '[[tools]]\nname = "b"\nurl = "https://${HOST}/x?k=${file:key}"\n'
        + 'auth = { type = "bearer", token = "written-out" }\n'
        + '[[tools]]\nname = "c"\nurl = "${WHOLE}"\nagents = ["${AGENT}"]\n'
        + f'[signing]\nkeys = ["{OLD_KEY}"]',
        {
            "PASSWORD": "passw0rd",
            "HEADER": "hdr",
            "PATH_TOKEN": "pth",
            "HOST": "api.example",
            "WHOLE": "https://hooks.example/t0ken",
            "AGENT": FIRST,
        },
        {"/etc/gateway/key": b"filed"},
    )

    assert catalog.secrets == {
        "passw0rd",
        "dTpwYXNzdzByZA==",
        "hdr",
        "pth",
        "filed",
        "written-out",
        "https://hooks.example/t0ken",
        OLD_KEY,
        OLD_KEY.removeprefix("whsec_"),
    }


@pytest.mark.parametrize(
    ("url", "value", "secret"),
    [
        ("https://${X}/a", "api.example", False),
        ("https://${X}.example/a", "tenant", False),
        ("https://h.example:${X}/a", "8443", True),
        ("https://${X}/a", "h.example:8443", False),
        ("${X}/a", "https://h.example", False),
        ("${X}", "https://h.example/", False),
        ("${X}", "https://h.example/hook", True),
        ("https://h.example/${X}", "t0ken", True),
        ("https://h.example/${X}", "h", False),
        ("https://h.example/${X}", "exam", True),
    ],
)
def test_where_a_request_goes_is_no_secret(url: str, value: str, secret: bool) -> None:
    """Logs name hosts, so a host from the environment is not masked; what follows it is."""
    catalog = parse(f'[[tools]]\nname = "a"\nurl = "{url}"', {"X": value})

    assert catalog.secrets == ({value} if secret else set())


def test_every_fault_of_a_file_is_told() -> None:
    """Faults of tables, of rules, of names and of templates stand in one error, each with its place."""
    told = faults(
        """
        tolls = 1
        [[tools]]
        name = "book"
        url = "http://h.example"
        retry = { on = ["teapot"], count = 1 }
        [[tools]]
        name = "find"
        url = "http://h.example/{{ nope }}"
        method = "GET"
        body = { a = 1 }
        [[tools]]
        name = "find"
        builtin = "transfer_call"
        [default]
        url = "https://h.example"
        deadline = 3
        [egress]
        allow_private = ["10.0.0.1/8", "x"]
        [signing]
        keys = ["whsec_short", "nothing"]
        [calls]
        parallel = 99
        """
    )

    assert [": ".join(line.split(": ")[:2]) for line in told] == [
        "tolls: is no key here; did you mean tools?",
        'tools[0] "book": retry.on[0]',
        "default: deadline",
        "calls: parallel",
        "egress: allow_private[0]",
        "egress: allow_private[1]",
        "signing: keys[0]",
        "signing: keys[1]",
        'tools[2] "find": name',
        'tools[1] "find": body',
        'tools[1] "find": url',
        'tools[2] "find": numbers',
    ]


def test_every_fault_of_one_tool_is_told() -> None:
    """Faults of values, references, rules, a schema, templates and names stand there once each."""
    told = webhook_faults(
        """
        deadline_s = "5"
        callback_url = "https://h.example/${NONE}"
        retry = { on = ["5xx", "teapot"] }
        method = "GET"
        body = { a = "{{ nope }}", b = "${NONE}" }
        headers = { X-A = 5, Host = "{{ nope }}" }
        arguments = { type = "array" }
        auth = { type = "header", header = "X Y", value = "ö" }
        accepted = "later"
        zzz = 1
        [[tools]]
        name = "book"
        builtin = "transfer_call"
        """
    )

    assert [line.replace(" the header ", " ").split(": ")[:2][0] for line in told] == [
        "callback_url",
        "headers.X-A",
        "deadline_s",
        "retry.on[1]",
        "zzz",
        'tools[1] "book"',
        "body",
        "retry.count",
        "accepted",
        "arguments.type",
        "headers.Host",
        "headers.Host",
        "auth",
        "auth",
        "body.a",
        "body.b",
        'tools[1] "book"',
    ]


NONSENSE: Final = datetime(2026, 1, 1, tzinfo=UTC)
RICH: Final[Mapping[str, object]] = {
    "url": "https://h.example/{{ arguments.a }}",
    "name": "book",
    "agents": [FIRST],
    "method": "PUT",
    "headers": {"X-A": "a"},
    "query": {"a": "b"},
    "content_type": "text/plain",
    "body": "{{ arguments.a }}",
    "arguments": {"type": "object"},
    "auth": {"type": "header", "header": "X-Key", "value": "k"},
    "connect_s": 9,
    "deadline_s": 10,
    "retry": {"count": 1, "on": ["5xx"], "backoff_s": 1},
    "response": {"pick": "$.a", "limit_kb": 1},
    "idempotency": {"key": "{{ call.id }}"},
    "callback_url": "https://h.example/late",
    "late_s": 11,
    "comfort": {"filler_s": 1, "hold_s": 2, "filler": "one_moment"},
    "on_error": "{{ error.reason }}",
    "sensitive": ["a"],
    "breaker": {"failures": 1, "open_s": 1},
}
TOOLS: Final = (
    RICH,
    {**RICH, "mode": "background", "accepted": "later", "late_s": 1, "comfort": {}},
    {"name": "put", "builtin": "transfer_call", "numbers": {"a": "+15005550006"}, "ring_timeout_s": 9},
    {"name": "x", "url": "https://h.example", "auth": {"type": "bearer", "token": "k"}},
    {"name": "x", "url": "https://h.example", "auth": {"type": "basic", "username": "u", "password": "k"}},
)


def places(value: object, place: Place = ()) -> Iterator[Place]:
    """Yield where a value and all values in it are, but for those that are the operator's own."""
    yield place
    if isinstance(value, dict) and place not in [("arguments",), ("body",)]:
        for key, inner in value.items():
            yield from places(inner, (*place, key))
    if isinstance(value, list):
        for number, inner in enumerate(value):
            yield from places(inner, (*place, number))


def broken(tool: Mapping[str, object], place: Place, value: object) -> Mapping[str, object]:
    """Return a tool with something else at a place of it."""
    made = deepcopy(dict(tool))
    reduce(getitem, place[:-1], cast(Any, made))[place[-1]] = value
    return made


def misspelt(tool: Mapping[str, object], place: Place) -> Mapping[str, object]:
    """Return a tool with the key of a place misspelt."""
    made = deepcopy(dict(tool))
    *above, key = place
    table: Any = reduce(getitem, above, cast(Any, made))
    table[f"{key}{str(key)[-1]}"] = table.pop(str(key))
    return made


def value_at(tool: Mapping[str, object], place: Place) -> object:
    """Return what stands at a place."""
    return reduce(getitem, place, cast(Any, tool))


@pytest.mark.parametrize("tool", TOOLS)
def test_one_fault_is_one_line(tool: Mapping[str, object]) -> None:
    """Whatever is wrong, unset or misspelt, nothing else is said to be wrong because of it."""
    own = {("headers", "X-A"), ("query", "a"), ("numbers", "a"), ("auth", "type")}
    keys = [place for place in places(tool) if place]
    texts = [place for place in keys if isinstance(value_at(tool, place), str)]
    files = [broken(tool, place, NONSENSE) for place in keys]
    files += [broken(tool, place, "${NONE}") for place in texts]
    files += [misspelt(tool, place) for place in keys if place not in own and isinstance(place[-1], str)]

    assert document_faults(tool) == []
    for file in files:
        assert len(document_faults(file)) == 1, (file, document_faults(file))


@given(tool=st.sampled_from(TOOLS), data=st.data())
def test_as_many_faults_are_as_many_lines(tool: Mapping[str, object], data: st.DataObject) -> None:
    """No fault hides another, wherever they are; but what auth needs is known by its type alone."""
    possible = [place for place in places(tool) if place not in [(), ("auth", "type")]]
    chosen = data.draw(st.sets(st.sampled_from(possible), min_size=2))
    outermost = [place for place in chosen if not any(place[:end] in chosen for end in range(len(place)))]
    file = reduce(lambda made, place: broken(made, place, NONSENSE), outermost, tool)

    assert len(document_faults(file)) == len(outermost)


@pytest.mark.parametrize(
    ("table", "told"),
    [
        ("[egress]\nallow_http = 1", ["egress"]),
        ("[egress]\nallow_private = [1]", ["egress"]),
        ("[egress]\nallow_htp = true", ["egress"]),
        ("[egres]\nallow_http = true", ["egres"]),
        ("[egress]\nper_host = 0", ["egress", 'tools[0] "book"']),
    ],
)
def test_nothing_is_judged_by_a_faulty_policy(table: str, told: list[str]) -> None:
    """Where it is not known what is allowed no destination is judged, so that this fault stands alone."""
    tool = webhook('callback_url = "https://10.0.0.1/"')

    assert [line.partition(":")[0] for line in faults(tool + table)] == told


def test_faults_do_not_show_keys() -> None:
    """A signing key that is not quite one is not in the message."""
    told = faults('[signing]\nkeys = ["whsec_canary!", "canary"]')

    assert len(told) == 2
    assert "canary" not in "".join(told)


def test_a_catalogue_cannot_be_changed() -> None:
    """Calls keep what they began with."""
    with pytest.raises(AttributeError):
        EMPTY.parallel = 9  # type: ignore[misc]


def test_nothing_printed_of_a_catalogue_has_a_secret() -> None:
    """Its description names tools and limits alone."""
    catalog = parse(webhook('headers = { X-Key = "${KEY}" }'), {"KEY": "canary"})

    assert "canary" in catalog.secrets
    assert "canary" not in repr(catalog)


def test_a_document_need_not_come_from_a_file() -> None:
    """Whoever has the tables of an agent elsewhere can have a catalogue of them."""
    document = {"tools": [{"name": "bye", "builtin": "end_call"}]}
    catalog = Catalog.parse(
        document, env={}, folder=Path("/"), read_file=lambda _: b"", load_filler=load_filler
    )

    assert answering(catalog, "bye") == "bye"
