"""Which of an agent's DTMF rules the caller has dialled. PURE: keys and the time in, matches out.

The longest rule wins. While a longer one could still be dialled its inter-digit timeout is waited for, else
a rule takes effect at once. A rule's digits have to follow each other within its own timeout. What no rule
begins with is an unknown sequence: nothing in it matches, however long it gets, until the keys have been
still for the longest timeout of all rules; so that a rule for ``0`` does not take a digit out of a number
that the caller dials for another reason.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from gateway.records import DtmfRule


@dataclass(frozen=True, slots=True)
class Key:
    """A key that the caller pressed.

    Attributes:
        digit: the caller's secret.
        at: when (seconds, monotonic).
    """

    digit: str = field(repr=False)
    at: float


@dataclass(frozen=True, slots=True)
class Match:
    """Keys that a rule takes."""

    digits: str = field(repr=False)
    rule: DtmfRule


Dialled = Match | Key
"""What became of keys: a rule took them, or one is nobody's. Every key comes out once, in order."""


class DtmfMatcher:
    """Lives as long as its call's stream. Holds fewer keys than its longest rule has digits.

    Feed it with :meth:`press`; call :meth:`tick` at :meth:`next_deadline`.

    Args:
        rules: by the digits to be dialled.
    """

    def __init__(self, rules: Mapping[str, DtmfRule]) -> None:
        self._rules = rules
        self._still_s = max((rule.inter_digit_timeout_s for rule in rules.values()), default=0.0)
        self._keys: list[Key] = []
        self._unknown_until = float("-inf")

    def press(self, digit: str, now: float) -> list[Dialled]:
        """Take a key; return what is decided by that."""
        dialled = self.tick(now)
        key = Key(digit, now)
        if now < self._unknown_until:
            self._unknown_until = now + self._still_s
            return [*dialled, key]
        self._keys.append(key)
        return dialled + self.tick(now)

    def tick(self, now: float) -> list[Dialled]:
        """Return what is decided by now; at infinity, everything."""
        dialled: list[Dialled] = []
        while self._keys and not any(until > now for until in self._longer()):
            dialled += self._decide()
        return dialled

    def next_deadline(self) -> float | None:
        """Return when :meth:`tick` is to be called next (seconds, monotonic)."""
        return max(self._longer(), default=None)

    def _longer(self) -> list[float]:
        """Return until when each rule may go on that the keys are the beginning of."""
        if not self._keys:
            return []
        return [
            self._keys[-1].at + rule.inter_digit_timeout_s
            for digits, rule in self._rules.items()
            if len(digits) > len(self._keys) and _fits(digits, rule, self._keys)
        ]

    def _decide(self) -> Sequence[Dialled]:
        """Take the longest match off the keys; without any, all of them as an unknown sequence."""
        fitting = [digits for digits, rule in self._rules.items() if self._dialled(digits, rule)]
        longest = max(fitting, key=len, default="")
        if longest:
            del self._keys[: len(longest)]
            return [Match(longest, self._rules[longest])]
        unknown, self._keys = self._keys, []
        self._unknown_until = unknown[-1].at + self._still_s
        return unknown

    def _dialled(self, digits: str, rule: DtmfRule) -> bool:
        return len(digits) <= len(self._keys) and _fits(digits, rule, self._keys[: len(digits)])


def _fits(digits: str, rule: DtmfRule, keys: Sequence[Key]) -> bool:
    """Say whether a rule begins with these keys, each within its time after the one before."""
    same = all(key.digit == digit for key, digit in zip(keys, digits, strict=False))
    return same and all(one.at + rule.inter_digit_timeout_s > then.at for one, then in pairwise(keys))
