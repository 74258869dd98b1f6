"""Sensitive values, and where they must not turn up."""

import json
from time import thread_time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.tools.masking import MASK, MOST_KEPT, Mask

MASKED = Mask.of(["card.number", "PIN", "name"])
ARGUMENTS: dict[str, object] = {
    "card": {"number": "4242 4242-4242 4242", "expires": "12/29"},
    "pin": 1234,
    "guests": [{"Name": 'Zoë "Q" Smith', "age": 36}, {"name": "Al"}],
    "number": "7",
}


def test_sensitive_arguments_are_masked_at_any_depth() -> None:
    """A name counts everywhere, in any case; a path counts at its end; the rest stays."""
    assert MASKED.arguments(ARGUMENTS) == {
        "card": {"number": MASK, "expires": "12/29"},
        "pin": MASK,
        "guests": [{"Name": MASK, "age": 36}, {"name": MASK}],
        "number": "7",
    }


def test_tables_and_lists_are_masked_whole() -> None:
    """Nothing within a sensitive value shows, whatever it is."""
    mask = Mask.of(["a", "b.c"])

    assert mask.arguments({"a": {"x": 1}, "b": [[{"c": [1, 2]}]], "c": None}) == {
        "a": MASK,
        "b": [[{"c": MASK}]],
        "c": None,
    }


def test_what_is_nested_too_deep_is_masked() -> None:
    """A value that nobody can look through is not shown."""
    deep: object = "x"
    for _ in range(100):
        deep = [deep]

    assert MASK in json.dumps(Mask.of(["a"]).arguments({"b": deep}), ensure_ascii=False)


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("Card 4242424242424242 is fine.", f"Card {MASK} is fine."),
        ("4242 4242 4242 4242", MASK),
        ("4242-4242-4242-4242", MASK),
        ("(4242) 4242.4242/4242", f"({MASK}"),
        ("pin 1234 or 12 34", f"pin {MASK} or {MASK}"),
        ('for zoë "q" SMITH', f"for {MASK}"),
        ("https://h/Zo%C3%AB%20%22Q%22%20Smith?n=Zo%C3%AB+%22Q%22+Smith", f"https://h/{MASK}?n={MASK}"),
        ('broken {"x": "Zo\\u00eb \\"Q\\" Smith"', f'broken {{"x": "{MASK}"'),
        ("Al is too short to be looked for", "Al is too short to be looked for"),
        ("12/29, 7 and 36 are nobody's secret", "12/29, 7 and 36 are nobody's secret"),
        ("", ""),
    ],
)
def test_values_are_masked_in_whatever_spelling(text: str, kept: str) -> None:
    """Digits with other separators, other case, escapes of JSON and URLs are all the value."""
    assert MASKED.text(text, ARGUMENTS) == kept


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ('{"pin": "other"}', {"pin": MASK}),
        ('{"Card": {"Number": {"deep": 1}, "x": 1}}', {"Card": {"Number": MASK, "x": 1}}),
        ('[{"NAME": null}, "1234", 1234, 91234, true, 99]', [{"NAME": MASK}, MASK, MASK, MASK, True, 99]),
        ('{"1234": "x"}', {MASK: "x"}),
        ('{"inner": "{\\"pin\\": 99}"}', {"inner": f'{{"pin": "{MASK}"}}'}),
    ],
)
def test_json_is_masked_by_names_as_well(text: str, kept: object) -> None:
    """What an answer has under a sensitive name is masked, whatever it is; so are names that are values."""
    assert json.loads(MASKED.text(text, ARGUMENTS)) == kept


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ('{"a": 1}', '{"a": 1}'),
        (' {"a":1}\n', ' {"a":1}\n'),
        ('{"a":"1234","a":"x"}', f'{{"a":"{MASK}","a":"x"}}'),
        ('{"pin": "open', f'{{"pin": "{MASK}"'),
        ('told: {"pin":5,"name" : [1, 2]}', f'told: {{"pin":"{MASK}","name" : "{MASK}"}}'),
        ('{"pin": {"x": [{"y": "}"}, 1], "z', f'{{"pin": "{MASK}"'),
        ('{"p\\u0069n": "a\\\\", "b": 1}', f'{{"p\\u0069n": "{MASK}", "b": 1}}'),
        ('{"pin":}', '{"pin":}'),
        ('{"pin": ', '{"pin": '),
        ('{"pin": "\\', f'{{"pin": "{MASK}"'),
        ("[5, 12 34", f'[5, "{MASK}"'),
        ('[5, 91234 "x"', f'[5, "{MASK}" "x"'),
        ('["Zo\\u00eb \\"Q\\" Smi', '["Zo\\u00eb \\"Q\\" Smi'),
        ("[" * 5_000, "[" * 5_000),
        ("[1", "[1"),
    ],
)
def test_text_that_is_not_quite_json_is_masked_too(text: str, kept: str) -> None:
    """What is cut off, wrapped in words or written twice hides nothing; clean text stays as it was."""
    assert MASKED.text(text, ARGUMENTS) == kept


def test_without_names_everything_stays() -> None:
    """A tool that has no sensitive arguments costs nothing."""
    mask = Mask.of([])

    assert mask.text('{"a": 1}', {"a": "x"}) == '{"a": 1}'
    assert mask.arguments({"a": [1, {"b": True}]}) == {"a": [1, {"b": True}]}


def test_too_much_to_look_for_masks_the_whole_text() -> None:
    """Where the search itself would be a burden, nothing of the text is kept."""
    assert Mask.of(["a"]).text("short", {"a": "x" * 200_000}) == MASK


def test_values_that_are_no_texts() -> None:
    """Numbers and what stands in tables and lists are looked for; booleans, null and giants are not."""
    mask = Mask.of(["a"])
    arguments: dict[str, object] = {"a": {"b": [123.5, True, None, 10**5_000], "c": 98765}}

    assert mask.text("123.5 and 98765 are true", arguments) == f"{MASK} and {MASK} are true"
    assert mask.text("[true, null, 5]", arguments) == "[true, null, 5]"


def test_a_name_is_no_pattern() -> None:
    """Characters that mean something to a search mean themselves in a name, and in a value."""
    mask = Mask.of(["a(b", "c.*"])

    assert mask.text('x "a(b": 1, "cd": ".+?"', {"c.*": ".+?"}) == f'x "a(b": "{MASK}", "cd": "{MASK}"'


TREE = st.recursive(
    st.text(max_size=8) | st.integers(0, 99_999) | st.booleans() | st.none(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abcd"), inner, max_size=3),
    max_leaves=8,
)


@given(secret=st.text(min_size=3, max_size=30), before=st.text(), after=st.text())
def test_no_value_survives_in_text(secret: str, before: str, after: str) -> None:
    """Whatever stands around it, the value is gone."""
    assert (
        secret.strip() not in Mask.of(["s"]).text(before + secret + after, {"s": secret})
        or len(secret.strip()) < 3
        or secret.strip() in MASK
    )


@given(tree=TREE, secret=st.text(alphabet=st.sampled_from('xyz9é"\\ '), min_size=3, max_size=12))
def test_no_value_survives_in_json(tree: Any, secret: str) -> None:
    """In JSON of any form the value is gone from texts, names and behind its own name."""
    document = {"s": tree, "copy": [tree, {secret: secret, "a": f"<{secret}>"}]}
    wanted = secret.strip()
    for ascii_only in (True, False):
        kept = json.loads(Mask.of(["s"]).text(json.dumps(document, ensure_ascii=ascii_only), {"s": secret}))
        assert kept["s"] == MASK
        assert len(wanted) < 3 or wanted not in json.dumps(kept["copy"][1], ensure_ascii=False)


@pytest.mark.parametrize("secret", ['\\""', '\\"""', 'x\\""'])
def test_value_that_is_found_inside_a_string_and_across_its_end_leaves_json(secret: str) -> None:
    """What two findings have in common gets one mask, with the quotes that either of them took."""
    document = {"s": 1, "copy": [secret, {secret: secret, "a": f"<{secret}>"}], "rest": "kept"}
    kept = json.loads(Mask.of(["s"]).text(json.dumps(document), {"s": secret}))

    assert kept == {"s": MASK, "copy": [MASK, {MASK: MASK, "a": f"<{MASK}>"}], "rest": "kept"}


@pytest.mark.parametrize("text", ["É99", "99É9", "\\É99", "É999É", "\\u00c999"])
def test_value_that_is_found_in_the_midst_of_an_escape_leaves_json(text: str) -> None:
    """A character that is written by its number is masked whole or not at all."""
    kept = json.loads(Mask.of(["s"]).text(json.dumps({"s": 1, "copy": text}), {"s": "999"}))

    assert kept["s"] == MASK
    assert "999" not in kept["copy"]


@given(arguments=st.dictionaries(st.sampled_from("abcd"), TREE))
def test_masked_arguments_keep_their_shape(arguments: dict[str, object]) -> None:
    """Only sensitive values differ."""
    masked = Mask.of(["a"]).arguments(arguments)

    assert masked.keys() == arguments.keys()
    assert ("a" not in arguments) or masked["a"] == MASK
    assert Mask.of(["zzz"]).arguments(arguments) == arguments


@pytest.mark.parametrize(
    "text", ["x" * 9_000, "1234 " * 5_000, '{"pin": 5, "a": [' + '"1234", ' * 9_000, "\\" * 9_000]
)
def test_kept_text_is_bounded_and_says_what_was_cut(text: str) -> None:
    """Records hold at most 8,192 characters of an answer, masks and the mark included."""
    kept = MASKED.kept(text, ARGUMENTS)

    assert len(kept) <= MOST_KEPT
    assert kept.endswith(" characters cut)")
    assert "1234" not in kept


@pytest.mark.parametrize("secret", ["canary-0123456789", "4242 4242-4242 4242", 'a"é\\n' * 20])
@pytest.mark.parametrize("spelled", [str, json.dumps, lambda text: json.dumps(json.dumps(text))])
def test_no_half_of_a_value_is_kept_at_the_border(secret: str, spelled: Any) -> None:
    """Wherever a value lies at the border, neither it nor its beginning is kept."""
    written = spelled(secret).strip('"\\')
    for before in range(MOST_KEPT - 400, MOST_KEPT + 10):
        text = "." * before + written + "." * 9_000
        for kept in (
            Mask.of(["a"]).kept(text, {"a": secret}),
            Mask.of(()).kept(text, {}, [secret]),
        ):
            assert written[:4] not in kept


def test_secrets_are_masked_without_names() -> None:
    """A secret of the file that an endpoint sends back is masked for every tool, and for none."""
    kept = Mask.of(()).kept('{"headers": {"X-Key": "k3y-canary"}, "pin": 1}', {"pin": 1}, ["k3y-canary"])

    assert kept == f'{{"headers": {{"X-Key": "{MASK}"}}, "pin": 1}}'
    assert Mask.of(()).kept("as it is", {"a": "as it is"}) == "as it is"


def test_value_that_runs_over_several_strings_takes_them_all() -> None:
    """What is left of a text that is JSON is JSON, also where a value's own quotes end a string."""
    kept = Mask.of(()).kept('["xa.first","by", 1]', {}, ['a.first","b'])

    assert kept == f'["{MASK}", 1]'


def test_values_that_overlap_are_one_mask() -> None:
    """Values within each other, and values that share an end, leave nothing of either."""
    assert Mask.of(()).kept("-abcdefghi-", {}, ["abcdef", "defghi", "bcde"]) == f"-{MASK}-"
    assert Mask.of(()).kept('["abcdef", "abc defghi"]', {}, ['abcdef", "abc', "c defghi"]) == f'["{MASK}"]'


def test_a_value_too_long_to_be_looked_for_masks_all() -> None:
    """Where the search would be a burden for the calls, nothing is kept."""
    assert Mask.of(["a"]).kept("short", {"a": "x" * 5_000}) == MASK
    assert Mask.of(["a"]).kept("short", {"a": [f"v{n}" for n in range(1_000)]}) == MASK


@pytest.mark.parametrize(
    "text",
    [
        json.dumps([{"id": n, "name": f"Guest {n}", "note": 'a "q"\n', "pin": 5} for n in range(16_000)]),
        "[" + "1234," * 200_000,
        '{"pin": ' * 120_000,
        "\\n" * 500_000,
        '"' * 1_000_000,
        '"pin"' + " " * 1_000_000,
    ],
)
def test_a_megabyte_holds_up_no_call(text: str) -> None:
    """What is kept costs a few milliseconds however long the text is."""
    began_at = thread_time()
    MASKED.kept(text, ARGUMENTS, ["k3y-canary"])
    kept_at = thread_time()
    MASKED.text(text, ARGUMENTS)

    assert kept_at - began_at < 0.04
    assert thread_time() - kept_at < 25.0
