"""The tables of a file, read one by one."""

import tomllib
from pathlib import Path

import pytest

from gateway.tools.faults import Faults
from gateway.tools.references import References
from gateway.tools.spec import BuiltinTool, CallLimits, EgressTable, SigningTable, WebhookTool
from gateway.tools.tables import Tables, read

AGENT = "3f0c1f5e-8f57-4f2b-9c57-2f4f3a1b7c11"
DEADLINE = "seconds from the agent's question to its answer"
NOT_SET = "the environment variable NONE is not set; set it, or use ${file:/path}"
ENV = {"KEY": "k3y", "AGENT": AGENT, "NUMBER": "+15005550006", "HOST": "h.example", "CIDR": "10.0.0.0/8"}


def tables(text: str) -> tuple[Tables, list[str], set[str]]:
    """Return what is read of a file, the faults, and the secrets met."""
    faults = Faults()
    references = References(ENV, Path("/etc"), lambda _: b"from a file\n")
    found = read(tomllib.loads(text), references, faults)
    return found, faults.lines, references.secrets


def test_an_empty_file_has_defaults() -> None:
    """Without a table there are no tools, and the rest is as the models have it."""
    found, faults, _ = tables("")

    assert found == Tables((), (), EgressTable(), SigningTable(), CallLimits())
    assert faults == []


def test_all_tables_are_read() -> None:
    """Tools with an endpoint and built-in ones, the default, and the three tables beside them."""
    found, faults, _ = tables(
        """
        [[tools]]
        name = "a"
        url = "https://h.example"
        [[tools]]
        name = "b"
        builtin = "end_call"
        [default]
        url = "https://h.example/any"
        [egress]
        allow_http = true
        [signing]
        keys = ["x"]
        [calls]
        parallel = 2
        """
    )

    assert faults == []
    assert [type(entry.spec) for entry in found.tools] == [WebhookTool, BuiltinTool]
    assert [entry.faults.entry for entry in (*found.tools, *found.default)] == [
        'tools[0] "a"',
        'tools[1] "b"',
        "default",
    ]
    assert [entry.spec.name for entry in found.default] == ["*"]
    assert (found.egress, found.signing, found.calls) == (
        EgressTable(allow_http=True),
        SigningTable(keys=("x",)),
        CallLimits(parallel=2),
    )


def test_references_are_resolved_before_values_are_checked() -> None:
    """An agent's id, a number, a host or a secret may stand elsewhere; what may be secret is kept as such."""
    found, faults, secrets = tables(
        """
        [[tools]]
        name = "a"
        url = "https://${HOST}/"
        agents = ["${AGENT}"]
        callback_url = "https://${HOST}/late"
        auth = { type = "bearer", token = "${file:token}" }
        on_error = "${KEY}"
        arguments = { pattern = "${KEY}" }
        headers = { X-Key = "${KEY}" }
        query = { key = "${KEY}" }
        body = { key = ["${KEY}"] }
        idempotency = { key = "${KEY}" }
        response = { template = "${KEY}" }
        [[tools]]
        name = "b"
        builtin = "transfer_call"
        numbers = { support = "${NUMBER}" }
        [egress]
        allow_private = ["${CIDR}"]
        """
    )
    first, second = (entry.spec for entry in found.tools)
    assert isinstance(first, WebhookTool)
    assert isinstance(second, BuiltinTool)

    assert faults == []
    assert first.agents == (AGENT,)
    assert first.callback_url == "https://h.example/late"
    assert first.auth.model_dump() == {"type": "bearer", "token": "from a file"}
    assert second.numbers == {"support": "+15005550006"}
    assert found.egress == EgressTable(allow_private=("10.0.0.0/8",))
    assert secrets == {"h.example", "from a file"}
    left_alone = first.model_dump(include={"url", "on_error", "arguments", "headers", "query", "body"})
    assert str(left_alone).count("${KEY}") == 5
    assert first.url == "https://${HOST}/"
    assert (first.idempotency, first.response.template) == (first.idempotency, "${KEY}")


@pytest.mark.parametrize(
    ("text", "faults"),
    [
        ("toools = 1", ["toools: is no key here; did you mean tools?"]),
        ("[sining]", ["sining: is no key here; did you mean signing?"]),
        ("tools = 3", ["tools: must be a list of tables; write each tool under [[tools]]"]),
        ("[tools]\nname = 'a'", ["tools: must be a list of tables; write each tool under [[tools]]"]),
        ("tools = [1]", ["tools[0]: must be a table; write it under [[tools]]"]),
        (
            "[[tools]]\nname = 'a'",
            ['tools[0] "a": needs url, an endpoint of yours, or builtin, a tool of the gateway\'s own'],
        ),
        (
            "[[tools]]\nname = 5\nurl = 'x'",
            ["tools[0]: name: must be text in quotes; it means: what agents call it, or a pattern"],
        ),
        (
            "[default]\nname = 'x'\nurl = 'y'",
            ["default: name: is not for the default, which takes every name; remove it"],
        ),
        ("default = 'x'", ["default: must be a table"]),
        (
            "[default]\nbuiltin = 'end_call'",
            [
                "default: url: is missing; it means: https; templates from the path on",
                "default: builtin: is for tools under [[tools]]; the default has a url",
            ],
        ),
        ("egress = true", ["egress: must be a table"]),
        (
            "[signing]\nkeys = ['${NONE}']",
            [f"signing: keys[0]: {NOT_SET}"],
        ),
        (
            "[[tools]]\nname = 'a'\nurl = 'x'\nagents = ['${NONE}']\ndeadline_s = '${KEY}'",
            [
                f'tools[0] "a": agents[0]: {NOT_SET}',
                f'tools[0] "a": deadline_s: must be a number; it means: {DEADLINE}',
            ],
        ),
    ],
)
def test_faults_name_their_table(text: str, faults: list[str]) -> None:
    """Each fault is told once: a reference that cannot be resolved is not also a bad value."""
    found, told, _ = tables(text)

    assert told == faults
    assert found.tools == ()


def test_a_faulty_table_leaves_the_others() -> None:
    """What is right is read on, so that its own faults can be told too."""
    found, faults, _ = tables("[egress]\nper_host = 0\n[calls]\nparallel = 0\n[[tools]]\nname='a'\nurl='x'")

    assert (found.egress, found.calls) == (None, None)
    assert found.signing == SigningTable()
    assert [entry.spec.name for entry in found.tools] == ["a"]
    assert len(faults) == 2
