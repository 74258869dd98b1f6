"""Where a fault is said to be."""

import pytest

from gateway.tools.faults import Faults, SeveralFaults, raise_all


@pytest.mark.parametrize(
    ("parts", "line"),
    [
        ((), 'tools[2] "book": is wrong'),
        (("url",), 'tools[2] "book": url: is wrong'),
        (("retry", "on", 0), 'tools[2] "book": retry.on[0]: is wrong'),
        (("body", "a b", 1, "c.d"), 'tools[2] "book": body."a b"[1]."c.d": is wrong'),
        (("",), 'tools[2] "book": "": is wrong'),
    ],
)
def test_a_fault_names_its_table_and_the_value_in_it(parts: tuple[str | int, ...], line: str) -> None:
    """Keys are written as TOML writes them, elements by their number from 0."""
    faults = Faults().of('tools[2] "book"').at(*parts)
    faults.add("is wrong")

    assert faults.lines == [line]


def test_all_places_write_into_one_list() -> None:
    """Faults of several tables stand in the order in which they were found."""
    faults = Faults()
    faults.of("egress").at("per_host").add("is too few")
    faults.at("toools").add("is no key")
    faults.of("egress").at("per_host").of("signing").add("is no table")

    assert faults.lines == ["egress: per_host: is too few", "toools: is no key", "signing: is no table"]


def test_a_fault_is_one_line() -> None:
    """What a key smuggles in cannot begin a line of its own."""
    faults = Faults()
    faults.at("a\nb").add("is no key")
    faults.of("x\u2028y").add("is no table")

    assert faults.lines == ['"a\\nb": is no key', r"'x\u2028y: is no table'"]


def test_an_attempt_gives_its_result_or_a_fault() -> None:
    """A ValueError becomes a fault; whatever else is raised is a bug and passes through."""
    faults = Faults().of("signing").at("keys", 0)

    assert faults.attempt(int, "11", base=2) == 3
    assert faults.attempt(int, "x") is None
    assert faults.lines == ["signing: keys[0]: invalid literal for int() with base 10: 'x'"]
    with pytest.raises(ZeroDivisionError):
        faults.attempt(lambda: 1 / 0)


@pytest.mark.parametrize(
    ("place", "told", "doubtful"),
    [
        ((), True, True),
        (("retry",), True, True),
        (("retry", "on"), False, True),
        (("retry", "on", 0), False, True),
        (("retry", "only"), True, False),
        (("body", "a b", "c"), False, True),
        (("body", "a"), True, False),
    ],
)
def test_what_is_wrong_with_a_stand_in_is_not_told(
    place: tuple[str | int, ...], told: bool, doubtful: bool
) -> None:
    """At a place whose fault has been told, and below, nothing more is; what holds it is in doubt as well."""
    faults = Faults().of("default").doubting([("retry", "on"), ("body", "a b")]).at(*place)
    faults.add("is wrong")

    assert bool(faults.lines) is told
    assert faults.is_doubtful is doubtful


def test_a_whole_table_may_be_in_doubt() -> None:
    """Then nothing of it is told, while other tables are not concerned."""
    faults = Faults().of("egress").doubting([()])
    faults.at("per_host").add("is too few")
    faults.of("signing").at("keys").add("is no list")

    assert faults.lines == ["signing: keys: is no list"]
    assert faults.at("allow_http").is_doubtful
    assert not faults.of("signing").is_doubtful


def test_a_value_may_have_several_faults() -> None:
    """Each becomes a line of its own, once."""
    faults = Faults().of("egress")

    assert faults.attempt(raise_all, ["is a", "is b", "is a"]) is None
    assert faults.lines == ["egress: is a", "egress: is b"]


@pytest.mark.parametrize(
    ("sentences", "error"), [(["is a", "is a"], ValueError("is a")), (["a", "b"], SeveralFaults(["a", "b"]))]
)
def test_one_fault_is_raised_as_it_is(sentences: list[str], error: ValueError) -> None:
    """Several have a kind of their own, whose message has all of them."""
    with pytest.raises(ValueError, match=f"^{error}$") as caught:
        raise_all(sentences)

    assert type(caught.value) is type(error)


def test_no_fault_is_not_raised() -> None:
    """Without a sentence nothing is wrong."""
    raise_all([])
