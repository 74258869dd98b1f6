"""A file's tools: which answers a name, and how the whole file is refused."""

from pathlib import Path

import pytest

from gateway.egress.addresses import Allowance
from gateway.egress.destinations import Policy
from gateway.egress.signing import SigningKey
from gateway.tools.catalog import EMPTY, Catalog
from gateway.tools.spec import CallLimits, EgressTable
from tests.tools.files import faults, load_filler, parse, webhook

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
        retry = { on = ["teapot"] }
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


def test_nothing_is_judged_by_a_faulty_table() -> None:
    """With a faulty [egress] the destinations of tools are not judged, so that its fault stands alone."""
    told = faults(webhook('callback_url = "http://10.0.0.1/"') + "[egress]\nper_host = 0")

    assert [line.partition(":")[0] for line in told] == ["egress"]


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
