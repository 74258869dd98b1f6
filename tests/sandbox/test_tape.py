import numpy as np

from gateway.audio.pcm import Pcm, to_bytes
from gateway.sandbox.tape import LONGEST_S, Shelf, Tape

FRAME_S = 0.02


def level(value: int, seconds: float) -> bytes:
    """Return audio of one value."""
    return to_bytes(np.full(round(seconds * 24_000), value, np.int16))


def seconds_of(track: Pcm, value: int) -> tuple[float, float]:
    """Return where a value begins and where it ends, in seconds."""
    at = np.flatnonzero(track == value)
    return at[0] / 24_000, (at[-1] + 1) / 24_000


def test_caller_is_recorded_as_heard() -> None:
    """Frames that come 20 ms apart make one piece without a gap, from where they were spoken."""
    tape = Tape(0.0)
    for number in range(1, 51):
        tape.caller(level(7, FRAME_S), 1.0 + number * FRAME_S)
    caller, agent = tape.tracks(3.0)
    assert seconds_of(caller, 7) == (1.0, 2.0)
    assert (caller[24_000:] == 7).all()
    assert len(agent) == 0


def test_pause_of_the_caller_is_silence() -> None:
    """Audio that comes a second late is a second later on the recording."""
    tape = Tape(0.0)
    tape.caller(level(7, FRAME_S), FRAME_S)
    tape.caller(level(8, FRAME_S), 1.0)
    caller, _ = tape.tracks(3.0)
    assert seconds_of(caller, 7) == (0.0, FRAME_S)
    assert seconds_of(caller, 8) == (0.98, 1.0)


def test_late_frame_follows_on_what_came_before() -> None:
    """A network that holds a frame up for a moment makes no gap."""
    tape = Tape(0.0)
    tape.caller(level(7, FRAME_S), FRAME_S)
    tape.caller(level(7, FRAME_S), 0.1)
    caller, _ = tape.tracks(3.0)
    assert len(caller) == 2 * 480


def test_agents_burst_is_played_back_to_back() -> None:
    """Three seconds that are sent at once are heard for three seconds, from when they came."""
    tape = Tape(0.0)
    for _ in range(3):
        tape.agent(level(5, 1.0), 0.5)
    _, agent = tape.tracks(10.0)
    assert seconds_of(agent, 5) == (0.5, 3.5)


def test_interruption_cuts_what_nobody_heard() -> None:
    """What had not been played yet is not on the recording, what the agent says next is."""
    tape = Tape(0.0)
    tape.agent(level(5, 3.0), 0.0)
    tape.agent(level(6, 1.0), 0.0)
    tape.interrupted(1.0)
    tape.agent(level(4, 0.5), 1.5)
    _, agent = tape.tracks(10.0)
    assert seconds_of(agent, 5) == (0.0, 1.0)
    assert seconds_of(agent, 4) == (1.5, 2.0)
    assert not (agent == 6).any()


def test_end_of_the_session_cuts_the_same() -> None:
    """A caller who hangs up does not hear the rest."""
    tape = Tape(0.0)
    tape.agent(level(5, 3.0), 0.0)
    _, agent = tape.tracks(1.0)
    assert len(agent) == 24_000


def test_torn_samples_are_put_together() -> None:
    """A chunk that ends inside a sample goes on with the next one."""
    tape, audio = Tape(0.0), level(5, 0.1)
    for start in range(0, len(audio), 333):
        tape.agent(audio[start : start + 333], 0.0)
    _, agent = tape.tracks(1.0)
    assert (agent == 5).all()
    assert len(agent) == 2_400


def test_recording_has_a_longest() -> None:
    """What comes after ten minutes is not kept."""
    tape = Tape(0.0)
    tape.caller(level(7, FRAME_S), FRAME_S)
    tape.caller(level(8, FRAME_S), LONGEST_S + 1.0)
    caller, _ = tape.tracks(LONGEST_S + 2.0)
    assert len(caller) == 480


def test_tapes_share_their_room() -> None:
    """When the shelf is full nobody records any more, until a tape gives its room back."""
    shelf = Shelf(room_bytes=2_500)
    one, other = Tape(0.0, shelf), Tape(0.0, shelf)
    one.caller(level(7, FRAME_S), FRAME_S)
    other.caller(level(8, FRAME_S), FRAME_S)
    other.caller(level(8, FRAME_S), 2 * FRAME_S)
    assert [len(tape.tracks(1.0)[0]) for tape in (one, other)] == [480, 480]
    one.release()
    assert shelf.room_bytes == 1_540
    other.caller(level(8, FRAME_S), 2 * FRAME_S)
    assert [len(tape.tracks(1.0)[0]) for tape in (one, other)] == [480, 960]
    other.release()
    other.release()
    assert shelf.room_bytes == 2_500
