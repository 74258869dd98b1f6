"""Passwords: argon2id off the loop, the same effort for nobody."""

import asyncio

from argon2 import PasswordHasher, extract_parameters

from gateway.api.passwords import _NOBODY, Passwords

CHEAP = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
PASSWORD = "correct horse battery staple"


async def test_right_password_is_told_from_wrong() -> None:
    """Only the password itself opens, and its hash shows nothing of it."""
    passwords = Passwords(CHEAP)
    stored = await passwords.hash(PASSWORD)

    assert stored.startswith("$argon2id$")
    assert PASSWORD not in stored
    assert await passwords.check(PASSWORD, stored)
    assert not await passwords.check(PASSWORD + "!", stored)
    assert not await passwords.check("", stored)
    assert not await passwords.check(PASSWORD, "no hash at all")


async def test_nobody_costs_as_much_as_somebody() -> None:
    """Without a user the same work is done, with the parameters of a real one, in vain."""
    ours = extract_parameters(PasswordHasher().hash("x"))

    assert extract_parameters(_NOBODY) == ours
    assert not await Passwords(CHEAP).check(PASSWORD, None)


async def test_loop_goes_on_while_hashing() -> None:
    """A real hash takes a thread, not the loop: others run meanwhile."""
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    async with asyncio.TaskGroup() as group:
        counting = group.create_task(count())
        await Passwords().hash(PASSWORD)
        counting.cancel()

    assert turns > 10
