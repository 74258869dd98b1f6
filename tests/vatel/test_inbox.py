"""Texts between the socket and its listener: in order, bounded, none lost."""

from contextvars import ContextVar, copy_context

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.vatel.closing import SocketClosed
from gateway.vatel.inbox import AT_ONCE, AT_ONCE_BYTES, SHORT_BYTES, Inbox
from tests.vatel.hearing import HeldBacklog

END = SocketClosed(1000)


class Tap:
    """Notes when the peer is held back and let go."""

    def __init__(self) -> None:
        self.turns: list[bool] = []

    def __call__(self, on: bool) -> None:
        self.turns.append(on)


def make_inbox(limit_bytes: int = 100) -> tuple[Inbox, Tap, HeldBacklog]:
    """Return an inbox, the tap it turns, and the turns it waits for."""
    tap, turns = Tap(), HeldBacklog()
    return Inbox(limit_bytes, soon=turns.add, reading=tap), tap, turns


def listen(inbox: Inbox) -> list[str | SocketClosed]:
    """Listen to an inbox; return where what is taken goes."""
    taken: list[str | SocketClosed] = []
    inbox.listen(taken.append)
    return taken


def test_what_waited_is_taken_and_then_the_end() -> None:
    """First in, first out, and the end once: to whoever listens after it as well."""
    inbox, _, turns = make_inbox()
    for text in "abc":
        inbox.put(text, 1)
    inbox.close(END)
    taken = listen(inbox)
    turns.pass_by()

    assert taken == ["a", "b", "c", END]
    assert listen(inbox) == [END]


def test_short_text_is_taken_as_it_comes() -> None:
    """No turn of the loop lies between a word, or a tool call, and its listener."""
    inbox, _, turns = make_inbox()
    taken = listen(inbox)
    inbox.put("a", SHORT_BYTES - 1)
    assert taken == ["a"]
    inbox.close(END)
    assert taken == ["a", END]
    turns.pass_by()
    assert taken == ["a", END]


def test_audio_waits_for_its_turn() -> None:
    """What is longer is taken when others had theirs, and the end after it."""
    inbox, _, turns = make_inbox()
    taken = listen(inbox)
    inbox.put("audio", SHORT_BYTES)
    inbox.close(END)
    assert taken == []
    turns.pass_by()
    assert taken == ["audio", END]


def test_short_text_brings_along_what_came_before_it() -> None:
    """It overtakes nothing of its own socket's."""
    inbox, _, turns = make_inbox(limit_bytes=1 << 20)
    taken = listen(inbox)
    inbox.put("audio", 10_000)
    inbox.put("more", 10_000)
    inbox.put("word", 100)
    inbox.put("audio after it", 10_000)
    assert taken == ["audio", "more", "word"]
    assert inbox.waiting_bytes == 10_000
    turns.pass_by()
    assert taken == ["audio", "more", "word", "audio after it"]


def test_the_peer_is_held_back_above_the_limit_and_let_go_below_half() -> None:
    """The tap turns once each way, not with every text."""
    inbox, tap, turns = make_inbox(limit_bytes=100)
    for _ in range(10):
        inbox.put("x", 10)
    assert tap.turns == []
    inbox.put("x", 10)
    inbox.put("x", 10)
    assert tap.turns == [False]
    turns_at: list[tuple[int, int]] = []
    inbox.listen(lambda received: turns_at.append((inbox.waiting_bytes, len(tap.turns))))
    turns.pass_by()

    assert [turns for waiting, turns in turns_at if waiting >= 50] == [1] * 7
    assert [turns for waiting, turns in turns_at if waiting < 50] == [2] * 5


def test_one_text_above_the_limit_is_taken_all_the_same() -> None:
    """The limit holds the peer back; it never loses a text that is here."""
    inbox, tap, _ = make_inbox(limit_bytes=10)
    inbox.put("big", 1_000)

    assert listen(inbox) == ["big"]
    assert tap.turns == [False, True]
    assert inbox.waiting_bytes == 0


def test_the_first_end_counts() -> None:
    """Later verdicts do not change how it ended."""
    inbox, *_ = make_inbox()
    inbox.close(SocketClosed(1007))
    inbox.close(SocketClosed(1006))

    assert inbox.closed == SocketClosed(1007)


def test_nothing_is_taken_after_the_end() -> None:
    """Texts behind the end are dropped."""
    inbox, *_ = make_inbox()
    inbox.close(END)
    inbox.put("late", 4)

    assert listen(inbox) == [END]
    assert inbox.waiting_bytes == 0


def test_discarding_drops_what_waits_and_what_comes() -> None:
    """A listener that left needs nothing; the peer is let go so that its close is heard."""
    inbox, tap, _ = make_inbox(limit_bytes=5)
    inbox.put("before", 10)
    inbox.discard()
    inbox.put("after", 10)
    inbox.close(END)

    assert listen(inbox) == [END]
    assert tap.turns == [False, True]
    assert inbox.waiting_bytes == 0


@given(st.lists(st.integers(0, 40_000)), st.integers(2, 100_000), st.integers(0, 10))
def test_whatever_comes_is_taken_once_and_in_order(sizes: list[int], limit_bytes: int, before: int) -> None:
    """However much waits when somebody begins to listen, and comes at once afterwards."""
    inbox, tap, turns = make_inbox(limit_bytes)
    for index, size in enumerate(sizes[:before]):
        inbox.put(str(index), size)
    assert inbox.waiting_bytes == sum(sizes[:before])
    taken = listen(inbox)
    for index, size in enumerate(sizes[before:], start=before):
        inbox.put(str(index), size)
    inbox.close(END)
    turns.pass_by()

    assert taken == [*map(str, range(len(sizes))), END]
    assert inbox.waiting_bytes == 0
    assert tap.turns == [False, True] * (len(tap.turns) // 2)


@pytest.mark.parametrize(
    ("size_bytes", "in_one_go"), [(100, AT_ONCE), (2_000, AT_ONCE), (10_000, 4), (AT_ONCE_BYTES, 1)]
)
@pytest.mark.parametrize("waits", [True, False])
def test_flood_leaves_others_their_turn(waits: bool, size_bytes: int, in_one_go: int) -> None:
    """Few are taken in one go, in texts and in bytes, whether they waited or come at once."""
    inbox, _, turns = make_inbox(limit_bytes=1 << 30)
    taken: list[str | SocketClosed] = []
    if not waits:
        inbox.listen(taken.append)
    for index in range(100):
        inbox.put(str(index), size_bytes)
    if waits:
        inbox.listen(taken.append)
    at_once = len(taken)

    assert at_once == (in_one_go if waits or size_bytes < SHORT_BYTES else 0)
    assert turns.pass_by() == -(-(100 - at_once) // in_one_go)
    assert taken == [str(index) for index in range(100)]


def test_short_texts_are_taken_at_once_again_after_a_turn() -> None:
    """The bound is one of what comes in one go."""
    inbox, _, turns = make_inbox()
    taken = listen(inbox)
    for _ in range(3):
        for _ in range(AT_ONCE):
            inbox.put("word", 10)
        turns.pass_by()
    assert len(taken) == 3 * AT_ONCE
    inbox.put("word", 10)
    assert len(taken) == 3 * AT_ONCE + 1


def test_what_waited_is_taken_in_the_context_of_the_listener() -> None:
    """What one call binds to its log lines is not another's, though they wait in one line."""
    name = ContextVar("name", default="nobody")
    turns, taken = HeldBacklog(), list[tuple[str, str]]()

    def listen_as(call: str) -> Inbox:
        name.set(call)
        inbox = Inbox(1 << 20, soon=turns.add, reading=Tap())
        inbox.listen(lambda text: taken.append((str(text), name.get())))
        return inbox

    inboxes = [copy_context().run(listen_as, call) for call in ("one", "two")]
    for inbox, call in zip(inboxes, ("one", "two"), strict=True):
        inbox.put(call, SHORT_BYTES)
    turns.pass_by()

    assert taken == [("one", "one"), ("two", "two")]
