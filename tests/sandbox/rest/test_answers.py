import json

import pytest
from aiohttp.test_utils import make_mocked_request

from gateway.sandbox.rest import bodies
from gateway.sandbox.rest.answers import Refusal, bearer, page, path_id, uuid_text


def test_refusal_is_the_contracts_error_body_or_none_at_all() -> None:
    """With a text it is {error}, without one there is no body."""
    told = Refusal(409, "taken", {"Retry-After": "3"}).answer()
    assert (told.status, json.loads(told.text or ""), told.headers["Retry-After"]) == (
        409,
        {"error": "taken"},
        "3",
    )
    bare = Refusal(401).answer()
    assert (bare.status, bare.body) == (401, None)


@pytest.mark.parametrize(
    ("header", "key"),
    [("Bearer k", "k"), ("bearer  k ", "k"), ("Basic k", ""), ("k", ""), ("", ""), ("Bearer", "")],
)
def test_key_comes_as_bearer(header: str, key: str) -> None:
    """The scheme's case does not matter; anything else is no key."""
    assert bearer(make_mocked_request("GET", "/", headers={"Authorization": header})) == key


@pytest.mark.parametrize("told", [True, False])
@pytest.mark.parametrize(
    "given", ["", "x", "11111111-2222-4333-8444-55555555555", "11111111222243338444555555555555", "1" * 36]
)
def test_path_takes_uuids_alone(given: str, told: bool) -> None:
    """Anything else is 400, with or without a body as the operation has it."""
    request = make_mocked_request("GET", "/", match_info={"id": given})
    with pytest.raises(Refusal) as caught:
        path_id(request, told=told)
    assert (caught.value.status, caught.value.text) == (400, "id: not a UUID" if told else None)


def test_uuids_are_written_in_one_way() -> None:
    """Capitals mean the same id."""
    request = make_mocked_request("GET", "/", match_info={"id": "AAAAAAAA-2222-4333-8444-555555555555"})
    assert path_id(request, told=True) == "aaaaaaaa-2222-4333-8444-555555555555"
    assert uuid_text("AAAAAAAA-2222-4333-8444-555555555555", "q") == "aaaaaaaa-2222-4333-8444-555555555555"
    with pytest.raises(Refusal, match="q: not a UUID"):
        uuid_text("x", "q")


def test_page_is_json() -> None:
    """Any document, with any status."""
    answer = page({"é": 1}, 201)
    assert (answer.status, json.loads(answer.text or ""), answer.content_type) == (
        201,
        {"é": 1},
        "application/json",
    )


def test_bodies_module_is_what_reads_them() -> None:
    """A body that is no JSON is told apart from one that is wrong."""
    with pytest.raises(ValueError, match="body: JSON is malformed"):
        bodies.read(b"{]", bodies.NumberLabel)
