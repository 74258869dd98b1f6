"""What was said in a call, as the transcript remembers it. PURE.

The agent's platform sends each turn's text whole, again and again until it is final; the caller's words
likewise. Here they become entries that replace each other by index. What the caller *heard* of an agent
turn comes from the playout and is joined to the words by turn id, in whichever order the two arrive.
"""

from dataclasses import replace

from gateway.audio.heard import TurnHeard
from gateway.records import Role, TranscriptEntry

_MOST_ENTRIES = 2_000
_TRANSFER_FAILED = "[Your transfer of the caller failed: "


def with_failed_transfer(so_far: str, status: str) -> str:
    """Return a conversation at whose end the caller was put through in vain.

    Args:
        so_far: as :meth:`Conversation.so_far` returns it.
        status: the carrier's word for it, such as ``no-answer``.
    """
    line = f"{_TRANSFER_FAILED}{status}. The caller is back with you.]"
    return f"{so_far}\n{line}" if so_far else line


def ends_with_failed_transfer(so_far: str) -> bool:
    """Say whether the last that happened in a conversation is a transfer in vain."""
    return so_far.rpartition("\n")[2].startswith(_TRANSFER_FAILED)


class Conversation:
    """The transcript of one call, across agent sessions. Lives as long as its call's stream.

    Args:
        before: what was said on a stream that broke before this one; empty otherwise.
    """

    def __init__(self, before: str = "") -> None:
        self._before = before
        self._entries: list[TranscriptEntry] = []
        self._open: dict[tuple[Role, str], int] = {}  # not yet final: where its entry stands
        self._by_turn: dict[str, int] = {}
        self._heard: dict[str, tuple[TurnHeard, bool]] = {}
        self.dropped = 0

    @property
    def entries(self) -> tuple[TranscriptEntry, ...]:
        """All entries, oldest first."""
        return tuple(self._entries)

    def agent_said(self, turn_id: str, text: str, at_s: float, *, final: bool) -> TranscriptEntry | None:
        """Book a turn's text: the whole turn, replacing what was booked of it before.

        A turn that is final and speaks again begins a new entry.

        Returns:
            The new state of the entry; None when the transcript is full.
        """
        entry = self._said("agent", turn_id, text, at_s, final=final)
        if entry is None:
            return None
        if turn_id:
            self._by_turn[turn_id] = entry.index
        known = self._heard.get(turn_id)
        return self._store(_with_heard(entry, *known)) if known else entry

    def caller_said(self, turn_id: str, text: str, at_s: float, *, final: bool) -> TranscriptEntry | None:
        """Book the caller's words, replacing the hypothesis before them; see :meth:`agent_said`."""
        return self._said("caller", turn_id, text, at_s, final=final)

    def agent_heard(self, turn_id: str, heard: TurnHeard, *, cut: bool) -> TranscriptEntry | None:
        """Book what the caller heard of an agent turn.

        Returns:
            The entry that changed; None when the turn's words are not known (yet) or nothing changed.
        """
        if turn_id in self._heard and self._heard[turn_id][1]:
            return None
        self._heard[turn_id] = (heard, cut)
        if len(self._heard) > _MOST_ENTRIES:
            del self._heard[next(iter(self._heard))]
        index = self._by_turn.get(turn_id)
        return None if index is None else self._store(_with_heard(self._entries[index], heard, cut))

    def so_far(self) -> str:
        """Return the conversation as lines of text, for the prompt of a session that takes over."""
        lines = [self._before] if self._before else []
        for entry in self._entries:
            words = entry.heard_text if entry.cut and entry.heard_text is not None else entry.text
            if words:
                cut = " [interrupted]" if entry.cut else ""
                lines.append(f"{'Caller' if entry.role == 'caller' else 'You'}: {words}{cut}")
        return "\n".join(lines)

    def _said(
        self, role: Role, turn_id: str, text: str, at_s: float, *, final: bool
    ) -> TranscriptEntry | None:
        key = (role, turn_id if role == "agent" else "")
        index = self._open.get(key)
        if index is None and len(self._entries) >= _MOST_ENTRIES:
            self.dropped += 1
            return None
        if index is None:
            index = len(self._entries)
            self._entries.append(TranscriptEntry(index, role, text, final, at_s, turn_id))
            self._open[key] = index
        if final:
            self._open.pop(key)
        return self._store(replace(self._entries[index], text=text, final=final))

    def _store(self, entry: TranscriptEntry) -> TranscriptEntry:
        self._entries[entry.index] = entry
        return entry


def _with_heard(entry: TranscriptEntry, heard: TurnHeard, cut: bool) -> TranscriptEntry:
    return replace(
        entry,
        heard_ms=heard.heard_ms,
        total_ms=heard.total_ms,
        cut=cut,
        heard_text=_words_heard(entry.text, heard) if cut else None,
    )


def _words_heard(text: str, heard: TurnHeard) -> str:
    """Return the whole words that fit into the heard share of the audio (speech runs at an even pace)."""
    share = heard.heard_ms / heard.total_ms if heard.total_ms else 0.0
    room = round(len(text) * min(share, 1.0))
    if room >= len(text):
        return text
    end = text.rfind(" ", 0, room + 1)
    return text[:end] if end > 0 else ""
