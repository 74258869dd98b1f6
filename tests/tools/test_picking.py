"""The part of an answer that is wanted."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import ToolError
from gateway.tools.picking import Pick

ANSWER = {
    "result": {"text": "Table 4", "n": 4, "ok": True, "none": None},
    "slots": [{"at": "18:00"}, {"at": "ü"}],
}


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("$.result.text", "Table 4"),
        ("$['result']['n']", "4"),
        ("$.result.ok", "true"),
        ("$.result.none", "null"),
        ("$.result", '{"text":"Table 4","n":4,"ok":true,"none":null}'),
        ("$.slots[0].at", "18:00"),
        ("$.slots[-1].at", "ü"),
        ("$.slots[*].at", '["18:00","ü"]'),
        ("$.slots[?@.at == '18:00']", '[{"at":"18:00"}]'),
        ("$.slots[?@.at == 'never']", "[]"),
        ("$..at", '["18:00","ü"]'),
    ],
)
def test_a_part_is_picked(path: str, text: str) -> None:
    """A text comes as it is, anything else as JSON; a path that may find many makes a list."""
    assert Pick.compile(path).text(ANSWER) == text


@pytest.mark.parametrize("path", ["$.none", "$.result.text.more", "$.slots[7]", "$.result[0]"])
@pytest.mark.parametrize("answer", [ANSWER, [], "text", '{"none": 1}', 4, None])
def test_what_is_not_there_is_an_error(path: str, answer: object) -> None:
    """An answer without the part is told, also when it is no table or list; a text is not read again."""
    with pytest.raises(ToolError, match="lacks the part") as caught:
        Pick.compile(path).text(answer)

    assert caught.value.reason == "no_match"


@pytest.mark.parametrize("answer", [{"a": float("inf")}, {"a": "\ud800"}, {"a": object()}])
def test_what_is_no_text_is_an_error(answer: object) -> None:
    """What cannot be sent to an agent is refused here."""
    with pytest.raises(ToolError, match="cannot be searched") as caught:
        Pick.compile("$.a").text(answer)

    assert caught.value.reason == "no_match"


@pytest.mark.parametrize(
    "path",
    ["", "result.text", "$.", "$['x", "$.a | $.b", "$.a[", "$.a[?]", "$.a[?nope(@)]", "$[" + "[" * 3_000],
)
def test_what_is_no_path_is_refused(path: str) -> None:
    """A bad path is a fault of the file, with an example of a good one."""
    with pytest.raises(ValueError, match=r"is no JSONPath.*as in|like \$\.result\.text"):
        Pick.compile(path)


def test_an_endless_answer_is_an_error() -> None:
    """An answer nested deeper than a path can go is no crash."""
    deep: object = 1
    for _ in range(5_000):
        deep = [deep]

    with pytest.raises(ToolError, match="cannot be searched"):
        Pick.compile("$..a").text(deep)


@given(path=st.text(alphabet=st.sampled_from("$.[]'\"*?@()!=<>&|,:- ab01")).map(lambda text: "$" + text))
def test_any_path_is_compiled_or_refused(path: str) -> None:
    """Nothing but a ValueError comes of any path, nothing but a ToolError of any that is one."""
    try:
        Pick.compile(path).text(ANSWER)
    except (ValueError, ToolError) as error:
        assert str(error)  # noqa: PT017 - all ways are good
