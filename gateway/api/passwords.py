"""Passwords of users: argon2id, in a thread, since a hash takes tens of milliseconds of a core."""

import asyncio

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

LEAST_CHARACTERS = 12
MOST_CHARACTERS = 200
_AT_ONCE = 2

# Compared with when there is no such user, so that the answer takes as long.
_NOBODY = "$argon2id$v=19$m=65536,t=3,p=4$c29tZXNhbHRzb21lc2FsdA$mE2Fzvq+nLnrZf6BvIEyJzqX5rJPHkOKnM4JbgZ0oYo"


class Passwords:
    """Hashes and checks; lives as long as the process.

    A few at a time, each takes 64 MiB: a flood of sign-ins waits instead of taking the machine.
    """

    def __init__(self, hasher: PasswordHasher | None = None) -> None:
        self._hasher = hasher or PasswordHasher()
        self._turns = asyncio.Semaphore(_AT_ONCE)

    async def hash(self, password: str) -> str:
        """Return what is stored of a password."""
        async with self._turns:
            return await asyncio.to_thread(self._hasher.hash, password)

    async def check(self, password: str, stored: str | None) -> bool:
        """Tell whether a password is the one stored; with None, as slowly and without success."""
        async with self._turns:
            right = await asyncio.to_thread(self._verify, password, stored or _NOBODY)
        return right and stored is not None

    def _verify(self, password: str, stored: str) -> bool:
        try:
            return self._hasher.verify(stored, password)
        except (VerificationError, InvalidHashError):
            return False
