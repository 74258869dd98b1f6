"""How what pydantic finds is told to whoever wrote the file."""

from typing import Any

import pytest
from pydantic import ValidationError

from gateway.tools.spec import BuiltinTool, EgressTable, Table, WebhookTool
from gateway.tools.table_faults import Place, meant_key, meant_places, place_of, table_faults, unknown_key

CANARY = "canary-0123456789"


def told(kind: type[Table], table: dict[str, Any]) -> dict[Place, str]:
    """Return what is told of a table, by place."""
    with pytest.raises(ValidationError) as caught:
        kind.model_validate(table)
    found = list(table_faults(kind, table, caught.value))
    assert len(found) == len(dict(found))
    assert CANARY not in str(found)
    return dict(found)


def tool(**values: object) -> dict[str, Any]:
    """Return the table of a tool."""
    return {"name": "book", "url": "https://h.example", **values}


@pytest.mark.parametrize(
    ("values", "place", "sentence"),
    [
        ({"deadline_s": CANARY}, ("deadline_s",), "must be a number; it means: "),
        ({"deadline_s": 99}, ("deadline_s",), "must be less than or equal to 60; it means: "),
        ({"method": CANARY}, ("method",), "must be 'GET', 'POST', 'PUT', 'PATCH' or 'DELETE'"),
        ({"url": ""}, ("url",), "must have at least 1 character; it means: "),
        ({"name": "a b"}, ("name",), "must be 1 to 128 letters, digits"),
        ({"agents": CANARY}, ("agents",), "must be a list; it means: which agents"),
        (
            {"agents": [CANARY]},
            ("agents", 0),
            "must be the UUID of a Vatel agent; it means: which agents",
        ),
        ({"headers": {"X-A": 1}}, ("headers", "X-A"), "must be text in quotes"),
        ({"headers": 1}, ("headers",), "must be a table"),
        ({"body": 5}, ("body",), "must be a table or text in quotes; it means: "),
        ({"retry": 3}, ("retry",), "must be a table"),
        ({"retry": {"count": 0.5}}, ("retry", "count"), "must be a whole number; it means: how many"),
        ({"retry": {"on": ["connect", CANARY]}}, ("retry", "on", 1), "must be connect, reset, 4xx, 5xx or"),
        ({"auth": CANARY}, ("auth",), "must be a table"),
        ({"auth": {"type": CANARY}}, ("auth",), 'must have type = "bearer", "basic", "header" or "none"'),
        ({"auth": {"token": CANARY}}, ("auth",), 'must have type = "bearer"'),
        ({"auth": {"type": "bearer"}}, ("auth", "token"), "is missing; it means: a secret: ${ENV}"),
        (
            {"auth": {"type": "basic", "username": 1, "password": CANARY}},
            ("auth", "username"),
            "must be text",
        ),
        (
            {"auth": {"type": "bearer", "token": CANARY, "tokn": 1}},
            ("auth", "tokn"),
            "is no key here; did you mean token?",
        ),
        (
            {"comfort": {"filler_s": float("inf")}},
            ("comfort", "filler_s"),
            "must be a finite number; it means",
        ),
        ({"breaker": {"failure": 1}}, ("breaker", "failure"), "is no key here; did you mean failures?"),
        ({"retry": {"on": [{"x": 1}]}}, ("retry", "on", 0), "must be text in quotes"),
        ({"metod": "GET"}, ("metod",), "is no key here; did you mean method?"),
        ({"zzz": CANARY}, ("zzz",), "is no key here; remove it, or see config/tools.example.toml"),
        ({"numbers": {}}, ("numbers",), 'is for builtin = "transfer_call"; remove it'),
    ],
)
def test_a_fault_has_its_place_and_its_meaning(values: dict[str, Any], place: Place, sentence: str) -> None:
    """The sentence says what the key must be and what it means, in the words of TOML."""
    [(where, what)] = told(WebhookTool, tool(**values)).items()

    assert where == place
    assert what.startswith(sentence)
    assert "Input should" not in what


def test_a_kind_of_auth_that_is_called_as_its_key() -> None:
    """The header and the value of type "header" are two places."""
    found = told(WebhookTool, tool(auth={"type": "header", "header": 1, "value": 2}))

    assert set(found) == {("auth", "header"), ("auth", "value")}
    assert found["auth", "value"].startswith("must be text in quotes; it means: a secret")


def test_every_fault_of_a_table_is_told() -> None:
    """One fault does not hide another, at whatever depth."""
    found = told(WebhookTool, tool(deadline_s=0, mode="x", retry={"count": 9, "on": ["a", "b"]}, comfort=1))

    assert set(found) == {
        ("deadline_s",),
        ("mode",),
        ("retry", "count"),
        ("retry", "on", 0),
        ("retry", "on", 1),
        ("comfort",),
    }


def test_a_key_of_an_endpoint_on_a_builtin_is_explained() -> None:
    """Whoever gives a builtin a deadline is told why it has none."""
    table = {"name": "x", "builtin": "end_call", "url": CANARY, "retry": {}, "biltin": 1}
    found = told(BuiltinTool, table)

    assert found[("url",)] == found[("retry",)]
    assert found[("url",)].startswith("is for tools with a url; the gateway answers a builtin itself")
    assert found[("biltin",)] == "is no key here; did you mean builtin?"


def test_a_builtin_as_the_default_is_explained() -> None:
    """The default is read as a tool with a url, which is what it lacks then."""
    found = told(WebhookTool, {"name": "*", "builtin": "end_call"})

    assert found[("builtin",)] == "is for tools under [[tools]]; the default has a url"
    assert found[("url",)].startswith("is missing; it means: ")


def test_a_table_of_names_of_ones_own_has_no_meaning_to_tell() -> None:
    """Below a key that takes any name, the key's own meaning is told."""
    found = told(BuiltinTool, {"name": "x", "builtin": "transfer_call", "numbers": {"a": "1", "b": 2}})

    assert found[("numbers", "a")].endswith("it means: transfer_call: name to number")
    assert found[("numbers", "b")] == "must be text in quotes; it means: transfer_call: name to number"


@pytest.mark.parametrize(
    ("name", "known", "meant"),
    [
        ("timeout", ("deadline_s", "url"), "deadline_s"),
        ("Timeout_s", ("deadline_s", "url"), "deadline_s"),
        ("retries", ("retry",), "retry"),
        ("schema", ("arguments",), "arguments"),
        ("parameters", ("arguments",), "arguments"),
        ("timeout", ("time_out",), "time_out"),
        ("URL", ("url",), "url"),
        ("allow_privat", tuple(EgressTable.model_fields), "allow_private"),
    ],
)
def test_the_key_that_is_meant_is_guessed(name: str, known: tuple[str, ...], meant: str) -> None:
    """What other systems call it is known, what is misspelt is near."""
    assert unknown_key(name, known) == f"is no key here; did you mean {meant}?"


def test_nothing_is_guessed_where_nothing_is_near() -> None:
    """A key like no other gets no guess."""
    assert "did you mean" not in unknown_key("timeout", ("a", "b"))


def test_a_misspelt_key_is_not_missing_as_well() -> None:
    """What is there under another name is told once; where it belongs is known."""
    table = tool(auth={"type": "bearer", "tokn": "x"}, deadline=3, zzz={"a": 1})
    with pytest.raises(ValidationError) as caught:
        WebhookTool.model_validate(table)

    assert set(told(WebhookTool, table)) == {("auth", "tokn"), ("deadline",), ("zzz",)}
    assert set(meant_places(WebhookTool, table, caught.value)) == {("auth", "token"), ("deadline_s",)}


def test_a_key_that_is_there_is_not_what_another_hides() -> None:
    """Only a key that is missing is passed over, and only where its like is."""
    table = tool(auth={"type": "basic", "usrname": "x"}, comfort={"usernme": 1})

    assert set(told(WebhookTool, table)) == {
        ("auth", "usrname"),
        ("auth", "password"),
        ("comfort", "usernme"),
    }


def test_the_key_that_may_be_meant() -> None:
    """It is one of those that there are, or none."""
    assert meant_key("timeout", ("deadline_s", "url")) == "deadline_s"
    assert meant_key("timeout", ("a", "b")) is None


@pytest.mark.parametrize(
    ("location", "place"),
    [
        (("auth", "bearer", "token"), ("auth", "token")),
        (("body", "dict[str,any]"), ("body",)),
        (("retry", "on", 1), ("retry", "on", 1)),
        (("name",), ("name",)),
    ],
)
def test_a_place_is_one_in_the_file(location: Place, place: Place) -> None:
    """Pydantic's names of alternatives are left out on the way to a value, which need not be there."""
    table = {"auth": {"type": "bearer"}, "retry": {"on": ["a", "b"]}, "body": 5}

    assert place_of(table, location) == place
