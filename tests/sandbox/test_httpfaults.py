import msgspec
import pytest

from gateway.sandbox.httpfaults import HttpFaults, Rule


def statuses(faults: HttpFaults, path: str = "/v1/agents", times: int = 5, method: str = "GET") -> list[int]:
    """Return what so many requests meet; 0 for nothing."""
    met = [faults.meet(method, path) for _ in range(times)]
    return [rule.status if rule else 0 for rule in met]


def test_without_rules_all_is_well() -> None:
    """Nobody meets anything."""
    assert statuses(HttpFaults()) == [0] * 5


def test_rule_is_for_its_path_and_method() -> None:
    """Other requests pass."""
    faults = HttpFaults()
    faults.add(Rule(path="/v1/session-token", method="post", status=429))
    assert statuses(faults, "/v1/session-token", 2, "POST") == [429, 429]
    assert statuses(faults, "/v1/session-token", 1) == [0]
    assert statuses(faults, "/v1/agents", 1, "POST") == [0]


def test_rule_wears_out() -> None:
    """After its times all is well again, and what is left of it can be seen."""
    faults = HttpFaults()
    faults.add(Rule(times=2))
    faults.add(Rule(path="/other"))
    assert [rule.times for rule in faults.rules] == [2, 0]
    assert statuses(faults, times=1) == [503]
    assert [rule.times for rule in faults.rules] == [1, 0]
    assert statuses(faults, times=3) == [503, 0, 0]
    assert [rule.path for rule in faults.rules] == ["/other"]


def test_first_rule_that_fits_decides() -> None:
    """Rules are tried in the order they were made."""
    faults = HttpFaults()
    faults.add(Rule(path="/v1/agents", status=500, times=1))
    faults.add(Rule(status=502))
    assert statuses(faults, times=2) == [500, 502]


def test_share_is_met_by_seed() -> None:
    """About that share of the requests, the same ones for the same seed."""

    def met(seed: int) -> list[int]:
        faults = HttpFaults()
        faults.add(Rule(share=0.25, seed=seed))
        return statuses(faults, times=400)

    assert met(1) == met(1) != met(2)
    assert 70 < sum(status == 503 for status in met(1)) < 130


def test_clear_lets_everything_go_well() -> None:
    """Rules are gone at once."""
    faults = HttpFaults()
    faults.add(Rule())
    faults.clear()
    assert (statuses(faults, times=1), faults.rules) == ([0], ())


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b'{"status": 200}', "status: give 400 to 599, or 0"),
        (b'{"delay_s": -1}', "delay_s: give 0 to 600; share: 0 to 1"),
        (b'{"share": 1.5}', "delay_s: give 0 to 600; share: 0 to 1"),
        (b'{"times": -1}', "times and retry_after_s: not less than 0"),
        (b'{"colour": "red"}', "unknown field `colour`"),
    ],
)
def test_rule_that_makes_no_sense_is_refused(body: bytes, said: str) -> None:
    """The error says what a rule takes."""
    with pytest.raises(msgspec.ValidationError, match=said):
        msgspec.json.decode(body, type=Rule)
