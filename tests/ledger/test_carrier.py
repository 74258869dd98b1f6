"""The phone company as the ledger asks it."""

import dataclasses

import pytest

from tests.ledger.bookkeeping import Phone


def test_carrier_is_given_whole() -> None:
    """Both questions can be asked, and neither is replaced later."""
    carrier = Phone().carrier()

    assert {one.name for one in dataclasses.fields(carrier)} == {"status", "hang_up"}
    with pytest.raises(dataclasses.FrozenInstanceError):
        carrier.status = carrier.hang_up  # type: ignore[misc]  # that is what is tried
