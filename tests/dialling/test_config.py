"""What dialling is told of its gateway."""

from gateway.storage.dial_policy import DialPolicy
from tests.dialling.exchange import CONFIG, PUBLIC_URL


def test_what_is_left_out_places_calls_gently() -> None:
    """One call a second, no variables, no rules but the general ones."""
    plain = type(CONFIG)(public_url=PUBLIC_URL, fill=CONFIG.fill)

    assert (plain.from_number, plain.calls_per_second, plain.with_variables) == (None, 1.0, False)
    assert plain.policy == DialPolicy()
