"""Whether, and after which pause, a failed request is sent once more. PURE."""

from gateway.tools.spec import Retry

_LONGEST_RETRY_AFTER_S = 60.0


def names_of(status: int, reason: str) -> frozenset[str]:
    """Return what a failure is called in a tool's ``retry.on``: of a status, itself and its class."""
    if not status:
        return frozenset({"connect" if reason == "dns" else reason})
    return frozenset({str(status), f"{status // 100}xx"})


def pause_s(
    retry: Retry, done: int, failure: frozenset[str], retry_after_s: float | None, chance: float
) -> float | None:
    """Return the pause before the next request; None if there is to be none.

    Args:
        done: requests sent so far.
        failure: what the last one's failure is called, by :func:`names_of`.
        retry_after_s: what the endpoint asks for; it wins over the backoff.
        chance: from 0 to 1, at random: the pause is drawn from the upper half of the backoff.
    """
    if done > retry.count or failure.isdisjoint(retry.on):
        return None
    if retry_after_s is not None:
        return min(retry_after_s, _LONGEST_RETRY_AFTER_S)
    longest_s = retry.backoff_s * 2.0 ** (done - 1)
    return longest_s * (0.5 + 0.5 * chance)
