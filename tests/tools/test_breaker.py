"""The circuit breaker, with the time as an argument."""

import pytest

from gateway.tools.breaker import Circuit
from gateway.tools.spec import Breaker

LIMITS = Breaker(failures=3, open_s=10.0)


def opened(now: float = 0.0) -> Circuit:
    """Return a circuit that has just opened."""
    circuit = Circuit(LIMITS)
    for _ in range(3):
        assert circuit.allows(now)
        circuit.failed(now)
    return circuit


def test_failures_in_a_row_open_it() -> None:
    """The third failure in a row is the last that anybody waits for."""
    assert not opened().allows(9.9)


def test_a_success_starts_the_count_again() -> None:
    """Failures with a success between them are not in a row."""
    circuit = Circuit(LIMITS)
    for _ in range(5):
        circuit.failed(0.0)
        circuit.failed(0.0)
        circuit.succeeded()

    assert circuit.allows(0.0)


def test_one_may_try_after_the_pause() -> None:
    """Of those who ask after the pause the first goes through, the others wait for what it finds."""
    circuit = opened()

    assert [circuit.allows(10.0), circuit.allows(10.0), circuit.allows(99.0)] == [True, False, False]


def test_a_trial_that_goes_well_closes_it() -> None:
    """One good answer, and everybody may ask."""
    circuit = opened()
    circuit.allows(10.0)
    circuit.succeeded()

    assert [circuit.allows(10.0), circuit.allows(10.0)] == [True, True]


def test_a_trial_that_fails_opens_it_for_as_long_again() -> None:
    """One bad answer is enough while it is on trial."""
    circuit = opened()
    circuit.allows(10.0)
    circuit.failed(12.0)

    assert [circuit.allows(21.9), circuit.allows(22.0)] == [False, True]


def test_a_trial_that_nobody_waited_for_leaves_room_for_another() -> None:
    """A call that ends in the middle of the trial does not keep the tool from everybody else."""
    circuit = opened()
    circuit.allows(10.0)
    circuit.gave_up()

    assert circuit.allows(10.0)


@pytest.mark.parametrize("failures", [1, 50, 1_000])
def test_zero_failures_never_open_it(failures: int) -> None:
    """A breaker that is switched off lets everything through."""
    circuit = Circuit(Breaker(failures=0))
    for _ in range(failures):
        circuit.failed(0.0)

    assert circuit.allows(0.0)
