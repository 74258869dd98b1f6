"""Which rule was dialled: the longest, in time; what is no rule's comes out as it was pressed."""

from collections.abc import Iterator, Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.bridge.dtmf_match import Dialled, DtmfMatcher, Key, Match
from gateway.records import DtmfRule

FAR = 1_000_000.0
Presses = list[tuple[str, float]]


def rules(*digits: str, **timeouts_s: float) -> dict[str, DtmfRule]:
    """Return rules for digits: with 2 s between these, or with the time given for ``_DIGITS``."""
    plain = dict.fromkeys(digits, DtmfRule("ignore", 2.0))
    return plain | {name.removeprefix("_"): DtmfRule("ignore", time) for name, time in timeouts_s.items()}


def told(dialled: list[Dialled]) -> list[str]:
    """Return what came out: ``[digits]`` for a match, the digit alone for a key that is nobody's."""
    return [f"[{one.digits}]" if isinstance(one, Match) else one.digit for one in dialled]


def pressed(known: Mapping[str, DtmfRule], presses: Presses, end: float = FAR) -> list[str]:
    """Press keys at their times, and wait to the end; return what came out."""
    matcher = DtmfMatcher(known)
    out = [one for digit, at in presses for one in told(matcher.press(digit, at))]
    return out + told(matcher.tick(end))


def in_a_row(digits: str, gap_s: float = 0.1) -> Presses:
    """Return presses, one after the other."""
    return [(digit, number * gap_s) for number, digit in enumerate(digits)]


@pytest.mark.parametrize(
    ("known", "dialled", "out"),
    [
        ((), "12", ["1", "2"]),
        (("0",), "0", ["[0]"]),
        (("0",), "00", ["[0]", "[0]"]),
        (("*9",), "*9", ["[*9]"]),
        (("*9", "0"), "*90", ["[*9]", "[0]"]),
        # Longest match: the longer one, else the shorter and what follows it.
        (("1", "12"), "12", ["[12]"]),
        (("1", "12"), "13", ["[1]", "3"]),
        (("1", "12"), "11", ["[1]", "[1]"]),
        (("1", "123"), "124", ["[1]", "2", "4"]),
        (("1", "123", "2"), "124", ["[1]", "[2]", "4"]),
        (("1", "1234", "23"), "123", ["[1]", "[23]"]),
        (("1", "1234", "234"), "1235", ["[1]", "2", "3", "5"]),
        (("1", "12", "1234"), "1235", ["[12]", "3", "5"]),
        # An unknown sequence: nothing in it is dialled.
        (("0",), "50", ["5", "0"]),
        (("0",), "4012888800", list("4012888800")),
        (("*9",), "**9", ["*", "*", "9"]),
        (("12",), "1", ["1"]),
        (("12",), "10", ["1", "0"]),
    ],
)
def test_what_was_dialled_in_one_go(known: tuple[str, ...], dialled: str, out: list[str]) -> None:
    """Keys that follow each other at once, and then nothing."""
    assert pressed(rules(*known), in_a_row(dialled)) == out


def test_rule_that_nothing_longer_begins_with_takes_effect_at_once() -> None:
    """Nobody waits for a timeout then."""
    matcher = DtmfMatcher(rules("0", "12"))

    assert told(matcher.press("0", 5.0)) == ["[0]"]
    assert matcher.next_deadline() is None


def test_shorter_rule_waits_for_the_longer() -> None:
    """To the very end of the longer one's time, and not beyond."""
    matcher = DtmfMatcher(rules("1", _12=0.5))

    assert matcher.next_deadline() is None
    assert matcher.press("1", 5.0) == []
    assert matcher.next_deadline() == 5.5
    assert matcher.tick(5.499) == []
    assert told(matcher.tick(5.5)) == ["[1]"]
    assert matcher.next_deadline() is None


def test_key_that_comes_too_late_begins_anew() -> None:
    """Also when nobody looked at the clock in between."""
    assert pressed(rules("1", "2", "12"), [("1", 0.0), ("2", 2.0)]) == ["[1]", "[2]"]
    assert pressed(rules("1", "2", "12"), [("1", 0.0), ("2", 1.9)]) == ["[12]"]


def test_each_rule_has_its_own_time() -> None:
    """The one in a hurry is not dialled slowly, though another one could still be."""
    hasty = rules(_12=0.5, _13=5.0)

    assert pressed(hasty, [("1", 0.0), ("2", 0.4)]) == ["[12]"]
    assert pressed(hasty, [("1", 0.0), ("2", 0.6)]) == ["1", "2"]
    assert pressed(hasty, [("1", 0.0), ("3", 4.0)]) == ["[13]"]
    # What is the beginning of a patient rule is not dialled any more by a hasty one.
    assert pressed(rules(_12=0.5, _123=5.0), [("1", 0.0), ("2", 1.0)]) == ["1", "2"]


def test_deadline_is_that_of_the_most_patient_rule() -> None:
    """The others have given up by then."""
    matcher = DtmfMatcher(rules(_12=0.5, _13=5.0, _2=9.0))
    matcher.press("1", 1.0)

    assert matcher.next_deadline() == 6.0


def test_unknown_sequence_ends_when_the_keys_have_been_still() -> None:
    """For the longest timeout of all rules, counted from the last key."""
    known = rules("0", _99=3.0)

    assert pressed(known, [("5", 0.0), ("0", 3.0)]) == ["5", "[0]"]
    assert pressed(known, [("5", 0.0), ("0", 2.9)]) == ["5", "0"]
    assert pressed(known, [("5", 0.0), ("5", 2.9), ("0", 5.8), ("0", 8.8)]) == ["5", "5", "0", "[0]"]


def test_sequence_that_stays_unfinished_is_unknown_from_its_last_key_on() -> None:
    """A key that follows its timeout at once is dialled."""
    matcher = DtmfMatcher(rules("0", "12"))

    assert matcher.press("1", 0.0) == []
    assert matcher.next_deadline() == 2.0
    assert matcher.tick(2.0) == [Key("1", 0.0)]
    assert told(matcher.press("0", 2.0)) == ["[0]"]


def test_at_infinity_everything_is_decided() -> None:
    """No more keys come: a shorter rule is what was dialled."""
    matcher = DtmfMatcher(rules("1", "12"))
    matcher.press("1", 5.0)

    assert told(matcher.tick(float("inf"))) == ["[1]"]


def test_keys_keep_their_times() -> None:
    """A key that waited tells when it was pressed."""
    matcher = DtmfMatcher(rules("123"))
    matcher.press("1", 1.0)
    matcher.press("2", 1.5)

    assert matcher.press("4", 2.0) == [Key("1", 1.0), Key("2", 1.5), Key("4", 2.0)]


def test_what_is_no_single_digit_is_nobodys() -> None:
    """Whatever the phone company calls a key, it does not stand for several."""
    assert pressed(rules("12", "0"), [("12", 0.0), ("0", 5.0)]) == ["12", "[0]"]
    assert pressed(rules("12"), [("1", 0.0), ("", 0.1), ("2", 0.2)]) == ["1", "", "2"]


def test_digits_are_not_shown() -> None:
    """Neither a key nor a match has them in its repr."""
    assert "7" not in repr(Key("7", 0.0))
    assert "7" not in repr(Match("7", DtmfRule("ignore", 2.0, number="+77", url="https://7")))


# --- properties

KEYS = st.sampled_from("01*")
TIMES_S = st.sampled_from([0.25, 1.0, 4.0])
RULES = st.dictionaries(
    st.text(KEYS, min_size=1, max_size=4), TIMES_S.map(lambda time: DtmfRule("ignore", time)), max_size=6
)
GAPS_S = st.sampled_from([0.0, 0.125, 0.25, 0.5, 1.0, 2.0, 4.0, 5.0])
PRESSES = st.lists(st.tuples(KEYS, GAPS_S), max_size=20)


def timed(presses: Presses) -> Iterator[tuple[str, float]]:
    """Return presses with times for their gaps."""
    now = 10.0
    for digit, gap_s in presses:
        now += gap_s
        yield digit, now


@given(RULES, PRESSES)
def test_every_key_comes_out_once_and_in_order(known: dict[str, DtmfRule], presses: Presses) -> None:
    """Nothing is lost, doubled or moved; what matches is a rule; few keys wait; whoever waits has a time."""
    matcher, out, given_in = DtmfMatcher(known), "", ""
    longest = max((len(digits) for digits in known), default=0)
    for digit, now in timed(presses):
        given_in += digit
        for one in matcher.press(digit, now):
            assert isinstance(one, Key) or known[one.digits] is one.rule
            out += one.digit if isinstance(one, Key) else one.digits
        assert given_in.startswith(out)
        waiting = len(given_in) - len(out)
        assert waiting < max(longest, 1)
        assert (matcher.next_deadline() is not None) == (waiting > 0)
        assert waiting == 0 or (matcher.next_deadline() or 0.0) > now
    out += "".join(told(matcher.tick(FAR))).replace("[", "").replace("]", "")

    assert out == given_in
    assert matcher.next_deadline() is None


@given(RULES, PRESSES, st.lists(GAPS_S, max_size=10))
def test_looking_at_the_clock_changes_nothing(
    known: dict[str, DtmfRule], presses: Presses, looks: list[float]
) -> None:
    """Ticks at any time, or none, lead to the same."""
    watched, out = DtmfMatcher(known), []
    for digit, now in timed(presses):
        for look in looks:
            out += told(watched.tick(max(now - look, 0.0)))
        out += told(watched.press(digit, now))
    out += told(watched.tick(FAR))

    assert out == pressed(known, list(timed(presses)))


@given(RULES, st.lists(KEYS, max_size=10))
def test_keys_far_apart_are_each_dialled_alone(known: dict[str, DtmfRule], digits: list[str]) -> None:
    """Only rules of one digit match then, and each of them does."""
    presses = [(digit, 100.0 * number) for number, digit in enumerate(digits)]

    assert pressed(known, presses) == [f"[{digit}]" if digit in known else digit for digit in digits]


@given(RULES.filter(bool), st.data())
def test_rule_dialled_without_haste_or_delay_matches(known: dict[str, DtmfRule], data: st.DataObject) -> None:
    """Any rule, at one go and after a pause, whatever shorter ones there are on the way."""
    wanted = data.draw(st.sampled_from(sorted(known)))

    assert pressed(known, in_a_row(wanted, 0.125)) == [f"[{wanted}]"]
