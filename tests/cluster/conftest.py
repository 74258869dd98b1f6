"""Valkeys for the tests of this folder."""

from tests.valkeys import own_valkey, valkey

__all__ = ["own_valkey", "valkey"]
