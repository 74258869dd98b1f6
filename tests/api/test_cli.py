"""The command line of what is kept, on both engines."""

import argparse

import pytest

from gateway.api import cli
from gateway.api.tokens import parse_key
from gateway.errors import ConfigError, StorageError
from gateway.storage.api_keys import ApiKeys
from gateway.storage.database import Database
from gateway.storage.organizations import Organizations
from tests.databases import PostgresServer
from tests.tenants import Tenant


async def keys(url: str, *words: str) -> int:
    """Run a ``keys`` command."""
    parser = argparse.ArgumentParser()
    cli.add_key_arguments(parser)
    return await cli.run_action(parser.parse_args(words), url)


async def test_key_of_an_empty_database(
    database: Database, database_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The first command makes the organization and exactly one key, printed as the last word."""
    assert await keys(database_url, "create", "--name", "CI", "--scopes", "read,calls") == 0
    text = parse_key(capsys.readouterr().out.split()[-1])
    [organization] = await Organizations(database).list_all()
    [key] = (await ApiKeys(database).list_page(organization.id, 10, 0)).items

    assert text is not None
    assert (key.public_id, key.name, key.scopes) == (text.public_id, "CI", ["read", "calls"])


async def test_keys_are_listed_and_revoked(
    acme: Tenant, database_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The list names each key and its state, never its secret; a key is revoked once."""
    await keys(database_url, "create", "--name", "CI")
    text = capsys.readouterr().out.split()[-1]
    await keys(database_url, "list")
    active = capsys.readouterr().out
    prefix, _, secret = text.partition("_")[2].partition("_")
    await keys(database_url, "revoke", f"va_{prefix}")
    await keys(database_url, "list")
    revoked = capsys.readouterr().out

    assert (prefix in active, secret in active) == (True, False)
    assert "active  read,write,calls  never used  CI" in active
    assert "revoked  read" in revoked
    with pytest.raises(ConfigError, match="no such active key"):
        await keys(database_url, "revoke", prefix)


async def test_used_key_says_when(
    acme: Tenant, database_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The list tells when a key was last used."""
    await keys(database_url, "create", "--name", "CI")
    [key] = (await ApiKeys(acme.database).list_page(acme.id, 1, 0)).items
    await ApiKeys(acme.database).note_use(key.id, acme.organization.created_at)
    capsys.readouterr()
    await keys(database_url, "list")

    assert "used 2026-11-26 12:00" in capsys.readouterr().out


async def test_organization_must_be_clear(acme: Tenant, rival: Tenant, database_url: str) -> None:
    """Of several it is named, by name or id; a wrong name is told which there are."""
    with pytest.raises(ConfigError, match="Acme"):
        await keys(database_url, "create", "--name", "CI")
    with pytest.raises(ConfigError, match="Rival"):
        await keys(database_url, "list", "--organization", "Nobody")
    await keys(database_url, "create", "--name", "a", "--organization", "Rival")
    await keys(database_url, "create", "--name", "b", "--organization", rival.id)

    assert (await ApiKeys(acme.database).list_page(rival.id, 10, 0)).total == 2
    assert (await ApiKeys(acme.database).list_page(acme.id, 10, 0)).total == 0


async def test_unknown_scopes_are_refused(acme: Tenant, database_url: str) -> None:
    """A slip in a scope makes no key."""
    with pytest.raises(ConfigError, match="read,write,calls"):
        await keys(database_url, "create", "--name", "CI", "--scopes", "read,wirte")

    assert (await ApiKeys(acme.database).list_page(acme.id, 10, 0)).total == 0


async def test_person_is_invited(acme: Tenant, database_url: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The command prints how to accept, the token last."""
    parser = argparse.ArgumentParser()
    cli.add_invite_arguments(parser)
    await cli.run_action(parser.parse_args(["ada@example.com"]), database_url)
    words = capsys.readouterr().out.split()

    assert "/api/v1/users/accept" in words
    assert len(words[-1]) == 43


async def test_old_postgres_is_told_the_command(
    postgres: PostgresServer, capsys: pytest.CaptureFixture[str]
) -> None:
    """A shared database is migrated by its own command, then keys can be made."""
    url = await postgres.create("template0")
    with pytest.raises(StorageError, match="vatel-gateway migrate"):
        await keys(url, "list")
    await cli.run_migrate(url)
    await cli.run_migrate(url)

    assert capsys.readouterr().out == "ran v0001_first\nnothing to do\n"
    assert await keys(url, "create", "--name", "CI") == 0
