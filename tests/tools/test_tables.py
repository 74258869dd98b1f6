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
NEITHER = "needs url, an endpoint of yours, or builtin, a tool of the gateway's own"
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

    assert (found.tools, found.default) == ((), ())
    assert [entry.spec for entry in (found.egress, found.signing, found.calls)] == [
        EgressTable(),
        SigningTable(),
        CallLimits(),
    ]
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
    assert [entry.spec for entry in (found.egress, found.signing, found.calls)] == [
        EgressTable(allow_http=True),
        SigningTable(keys=("x",)),
        CallLimits(parallel=2),
    ]
    assert not any(entry.faults.is_doubtful for entry in (*found.tools, found.egress))


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
    assert found.egress.spec == EgressTable(allow_private=("10.0.0.0/8",))
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
            [f'tools[0] "a": {NEITHER}'],
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
        (
            "[[tools]]\nname = 'a'\nurl = 'x'\nauth = { type = '${NONE}', token = 'x' }",
            [f'tools[0] "a": auth.type: {NOT_SET}'],
        ),
        (
            "[[tools]]\nname = 'a'\nulr = 'x'",
            ['tools[0] "a": ulr: is no key here; did you mean url?'],
        ),
        (
            "[[tools]]\nname = 'a'\nbultin = 'end_call'\nring_timeout_s = 9",
            ['tools[0] "a": bultin: is no key here; did you mean builtin?'],
        ),
        (
            "[[tools]]\nname = 'a'\ndeadline_s = 0",
            [
                f'tools[0] "a": {NEITHER}',
                f'tools[0] "a": deadline_s: must be greater than 0; it means: {DEADLINE}',
            ],
        ),
        (
            "[[tools]]\nname = 'a'\nring_timeout_s = 1\ndeadline_s = 0",
            [
                f'tools[0] "a": {NEITHER}',
                'tools[0] "a": ring_timeout_s: must be greater than or equal to 5; '
                "it means: transfer_call: seconds that it may ring",
            ],
        ),
    ],
)
def test_faults_name_their_table(text: str, faults: list[str]) -> None:
    """Each fault is told once: a reference that cannot be resolved is not also a bad value."""
    _, told, _ = tables(text)

    assert told == faults


def test_what_is_right_in_a_faulty_table_is_kept() -> None:
    """Its own faults can be told too; where a stand-in stands, under a misspelt key too, there is doubt."""
    found, faults, _ = tables(
        """
        [[tools]]
        name = "a"
        url = "x"
        callback_url = "${NONE}"
        connect_s = 99
        mthod = "GET"
        late_s = 9
        """
    )
    [entry] = found.tools
    assert isinstance(entry.spec, WebhookTool)

    assert len(faults) == 3
    assert (entry.spec.url, entry.spec.connect_s, entry.spec.late_s) == ("x", 2.0, 9.0)
    assert {key for key in WebhookTool.model_fields if entry.faults.at(key).is_doubtful} == {
        "callback_url",
        "connect_s",
        "method",
    }


def test_a_section_that_is_none_has_its_defaults() -> None:
    """Nothing in it is known; neither is where its name is misspelt."""
    found, faults, _ = tables("egress = 1\n[sining]\n[calls]\nparallel = 0")

    assert [entry.spec for entry in (found.egress, found.signing, found.calls)] == [
        EgressTable(),
        SigningTable(),
        CallLimits(),
    ]
    assert found.egress.faults.at("allow_http").is_doubtful
    assert found.signing.faults.at("keys", 0).is_doubtful
    assert [key for key in CallLimits.model_fields if found.calls.faults.at(key).is_doubtful] == ["parallel"]
    assert len(faults) == 3


def test_a_table_that_nothing_can_stand_in_for_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its faults are told, and nothing more of it."""
    monkeypatch.setattr("gateway.tools.tables.standing_in", lambda kind, table: None)
    found, faults, _ = tables("[default]\nurl = 5")

    assert found.default == ()
    assert len(faults) == 1
