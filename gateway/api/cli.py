"""The command line of what is kept: ``migrate``, ``keys create|list|revoke``, ``invite``."""

import argparse
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

from gateway.api.first_start import (
    ALL_SCOPES,
    FIRST_ORGANIZATION_ID,
    create_key,
    invite,
    new_organization,
)
from gateway.errors import ConfigError
from gateway.storage.api_keys import ApiKeys
from gateway.storage.database import Database
from gateway.storage.migrations import migrate, prepare
from gateway.storage.organizations import Organizations
from gateway.storage.rows import Organization

_MOST_KEYS = 1_000


def add_key_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what ``keys`` can do."""
    actions = parser.add_subparsers(required=True, metavar="ACTION")
    create = actions.add_parser("create", help="create a key and print it, once, as the last word")
    create.add_argument("--name", required=True, help="what the key is for")
    create.add_argument(
        "--scopes", default=",".join(ALL_SCOPES), help="comma-separated (default: %(default)s)"
    )
    create.set_defaults(act=_create)
    listing = actions.add_parser("list", help="list keys, without their secrets")
    listing.set_defaults(act=_list)
    revoke = actions.add_parser("revoke", help="make a key unusable")
    revoke.add_argument("key", help="the key's id, or its public id")
    revoke.set_defaults(act=_revoke)
    for action in (create, listing, revoke):
        _add_organization(action)


def add_invite_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what ``invite`` takes."""
    parser.add_argument("email", help="the address that the person will sign in with")
    _add_organization(parser)
    parser.set_defaults(act=_invite)


def _add_organization(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--organization", help="id or name; needed when there are several")


async def run_migrate(url: str) -> int:
    """Bring the database up to date."""
    database = Database.open(url, patient=True)
    try:
        names = await migrate(database)
    finally:
        await database.close()
    _say("\n".join(f"ran {name}" for name in names) if names else "nothing to do")
    return 0


async def run_action(arguments: argparse.Namespace, url: str) -> int:
    """Do what ``keys`` or ``invite`` was asked to."""
    act: Callable[[Database, Organization, argparse.Namespace], Awaitable[None]] = arguments.act
    database = Database.open(url)
    try:
        await prepare(database)
        await act(database, await _organization(database, arguments.organization), arguments)
    finally:
        await database.close()
    return 0


async def _organization(database: Database, wanted: str | None) -> Organization:
    """Return the organization that is meant, making the first one on an empty database."""
    known = await Organizations(database).list_all()
    if not known and wanted is None:
        await Organizations(database).add_first(new_organization("Default", _now(), FIRST_ORGANIZATION_ID))
        known = await Organizations(database).list_all()
    found = [one for one in known if wanted is None or wanted in (one.id, one.name)]
    if len(found) == 1:
        return found[0]
    names = ", ".join(f"{one.name} ({one.id})" for one in known)
    raise ConfigError(f"--organization: name one of: {names or 'none yet'}", reason="bad_organization")


async def _create(database: Database, owner: Organization, arguments: argparse.Namespace) -> None:
    scopes = [scope for scope in ALL_SCOPES if scope in arguments.scopes.split(",")]
    if set(arguments.scopes.split(",")) != set(scopes):
        raise ConfigError(f"--scopes: takes some of {','.join(ALL_SCOPES)}", reason="bad_scopes")
    key, text = await create_key(database, owner.id, arguments.name, scopes, _now())
    _say(f"key {key.id} of {owner.name}, shown this once: {text}")


async def _list(database: Database, owner: Organization, arguments: argparse.Namespace) -> None:
    page = await ApiKeys(database).list_page(owner.id, _MOST_KEYS, 0)
    for key in page.items:
        state = "revoked" if key.revoked_at else "active"
        used = f"used {key.last_used_at:%Y-%m-%d %H:%M}" if key.last_used_at else "never used"
        _say(f"{key.id}  va_{key.public_id}_…  {state}  {','.join(key.scopes)}  {used}  {key.name}")


async def _revoke(database: Database, owner: Organization, arguments: argparse.Namespace) -> None:
    keys = ApiKeys(database)
    page = await keys.list_page(owner.id, _MOST_KEYS, 0)
    wanted = [key.id for key in page.items if arguments.key.removeprefix("va_") in (key.id, key.public_id)]
    if not wanted or not await keys.revoke(owner.id, wanted[0], _now()):
        raise ConfigError(f"{owner.name} has no such active key", reason="no_key")
    _say(f"revoked {wanted[0]}")


async def _invite(database: Database, owner: Organization, arguments: argparse.Namespace) -> None:
    _, token = await invite(database, owner.id, arguments.email, _now())
    _say(f"{owner.name}: POST /api/v1/users/accept with this token, good for a week: {token}")


def _now() -> datetime:
    return datetime.now(UTC)


def _say(text: str) -> None:
    print(text)  # noqa: T201 - the command line's own voice
