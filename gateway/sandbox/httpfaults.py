"""Answers that go wrong before any operation is asked: 5xx, 429 and delays, on demand.

PURE.
"""

from dataclasses import dataclass
from zlib import crc32

import msgspec


class Rule(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """What goes wrong, and for which requests.

    Attributes:
        path: requests whose path begins so.
        method: of HTTP; empty for all.
        status: what they are answered with; 0 answers them as ever, after the delay.
        retry_after_s: sent as Retry-After; 0 leaves it out.
        body: False answers without a body, as proxies do.
        delay_s: wait before the answer.
        times: how often; then the rule is gone; 0 for ever.
        share: of the requests, chosen by ``seed``.
        seed: the same one, the same requests.
    """

    path: str = "/v1/"
    method: str = ""
    status: int = 503
    retry_after_s: int = 0
    body: bool = True
    delay_s: float = 0.0
    times: int = 0
    share: float = 1.0
    seed: int = 0

    def __post_init__(self) -> None:
        if self.status and not 400 <= self.status <= 599:
            raise ValueError("status: give 400 to 599, or 0")
        if not (0 <= self.delay_s <= 600 and 0 <= self.share <= 1):
            raise ValueError("delay_s: give 0 to 600; share: 0 to 1")
        if min(self.times, self.retry_after_s) < 0:
            raise ValueError("times and retry_after_s: not less than 0")


@dataclass(slots=True)
class _Active:
    rule: Rule
    met: int = 0
    applied: int = 0

    @property
    def left(self) -> Rule:
        """The rule, with what is left of its times."""
        times = self.rule.times - self.applied if self.rule.times else 0
        return msgspec.structs.replace(self.rule, times=times)


class HttpFaults:
    """The rules in force. Lives as long as the sandbox."""

    def __init__(self) -> None:
        self._active: list[_Active] = []

    @property
    def rules(self) -> tuple[Rule, ...]:
        """The rules in force, with what is left of their times."""
        return tuple(active.left for active in self._active)

    def add(self, rule: Rule) -> None:
        """Put a rule in force, behind those there are."""
        self._active.append(_Active(rule))

    def clear(self) -> None:
        """Let everything go well again."""
        self._active.clear()

    def meet(self, method: str, path: str) -> Rule | None:
        """Return what goes wrong with a request; the first rule that fits decides."""
        for active in self._active:
            rule = active.rule
            if path.startswith(rule.path) and rule.method.upper() in ("", method):
                active.met += 1
                if crc32(f"{rule.seed}/{active.met}".encode()) < rule.share * 2**32:
                    self._apply(active)
                    return rule
        return None

    def _apply(self, active: _Active) -> None:
        active.applied += 1
        if active.rule.times and active.applied >= active.rule.times:
            self._active.remove(active)
