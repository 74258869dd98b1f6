"""What pasted values must look like, and that refusals never repeat them."""

from typing import Any

import pytest
from pydantic import SecretStr, TypeAdapter, ValidationError

from gateway.settings.formats import (
    AccountSid,
    AgentId,
    ClockTime,
    ClusterUrl,
    DatabaseUrl,
    FilePath,
    Networks,
    Origins,
    PhoneNumber,
    Prefixes,
    RecordingKeys,
    Secret,
    ServiceUrl,
    StoreUrl,
    TimeZone,
    is_loopback,
    items,
    url_host,
)

SERVICE_URL: TypeAdapter[str] = TypeAdapter(ServiceUrl)
FILE_PATH: TypeAdapter[str] = TypeAdapter(FilePath)
ACCOUNT_SID: TypeAdapter[str] = TypeAdapter(AccountSid)
AGENT_ID: TypeAdapter[str] = TypeAdapter(AgentId)
DATABASE_URL: TypeAdapter[SecretStr] = TypeAdapter(DatabaseUrl)
SECRET: TypeAdapter[SecretStr] = TypeAdapter(Secret)


def refusal(adapter: TypeAdapter[str] | TypeAdapter[SecretStr], value: str) -> str:
    """Return the sentence with which a format refuses a value."""
    with pytest.raises(ValidationError) as caught:
        adapter.validate_python(value)
    return str(caught.value.errors(include_input=False, include_context=False)[0]["msg"])


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST", "gw.localhost", "127.0.0.1", "127.8.9.1", "::1"])
def test_loopback_hosts_are_known(host: str) -> None:
    """Every spelling of this machine counts as loopback."""
    assert is_loopback(host)


@pytest.mark.parametrize(
    "host", ["", "example.com", "localhost.example.com", "notlocalhost", "10.0.0.1", "0.0.0.0", "::"]
)
def test_other_hosts_are_not_loopback(host: str) -> None:
    """A name that only contains localhost, or a private address, is not loopback."""
    assert not is_loopback(host)


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        ("https://voice.example.com", "https://voice.example.com"),
        ("https://voice.example.com/", "https://voice.example.com"),
        ("https://voice.example.com:8443/phone/", "https://voice.example.com:8443/phone"),
        ("HTTPS://voice.example.com/a/b", "https://voice.example.com/a/b"),
        ("http://localhost:8080", "http://localhost:8080"),
        ("http://127.0.0.1:1", "http://127.0.0.1:1"),
        ("http://[::1]:8080", "http://[::1]:8080"),
        ("https://host_name.internal", "https://host_name.internal"),
    ],
)
def test_service_urls_are_kept_without_closing_slash(value: str, kept: str) -> None:
    """An accepted address loses only its closing slash and its scheme's capitals."""
    assert SERVICE_URL.validate_python(value) == kept


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ("", "must begin with https://"),
        ("voice.example.com", "must begin with https://"),
        ("wss://voice.example.com", "must begin with https://"),
        ("javascript:alert(1)", "must begin with https://"),
        ("http://voice.example.com", "loopback hosts only"),
        ("http://localhost.example.com", "loopback hosts only"),
        ("http://10.0.0.1", "loopback hosts only"),
        ("https://", "needs a host"),
        ("https:///path", "needs a host"),
        ("https://-x-", "needs a host"),
        ("https://exa%6dple.com", "needs a host"),
        ("https://voice.example.com:0", "needs a host"),
        ("https://voice.example.com:99999", "is not a URL"),
        ("https://voice.example.com:port", "is not a URL"),
        ("https://[::1", "is not a URL"),
        ("https://me:pw@voice.example.com", "user name"),
        ("https://@voice.example.com", "user name"),
        ("https://voice.example.com#x", "#fragment"),
        ("https://voice.example.com?x=1", "no query"),
        ("https://voice.example.com/?", "no query"),
        ("https://voice.example.com/a//b", "path prefix"),
        ("https://voice.example.com/a/../b", "path prefix"),
        ("https://voice.example.com/%2e", "path prefix"),
        ("https://voice example.com", "a space"),
        ("https://voice.example.com\n", "control character"),
        ("https:\\\\voice.example.com", "backslash"),
    ],
)
def test_service_url_traps_are_refused(value: str, why: str) -> None:
    """Whatever could split signature checks from routing is refused with its reason."""
    assert why in refusal(SERVICE_URL, value)


def test_url_host_strips_port_and_brackets() -> None:
    """The host of an accepted URL is the bare name or address."""
    assert url_host("http://[::1]:8080/x") == "::1"
    assert url_host("https://voice.example.com:8443") == "voice.example.com"
    assert url_host("nothing") == ""


@pytest.mark.parametrize("value", ["", "tools\0.toml"])
def test_what_is_no_path_is_refused(value: str) -> None:
    """A path has a character, and none that no file system knows."""
    assert "no path" in refusal(FILE_PATH, value)


def test_path_stays_as_it_was_written() -> None:
    """Whether the file is there is told by who reads it."""
    assert FILE_PATH.validate_python("../tools.toml") == "../tools.toml"


@pytest.mark.parametrize("value", ["AC" + "0" * 31, "ac" + "0" * 32, "AC" + "g" * 32, "SK" + "0" * 32, ""])
def test_other_account_sids_are_refused(value: str) -> None:
    """Only AC and 32 hexadecimal digits make an account SID."""
    assert "must be 'AC'" in refusal(ACCOUNT_SID, value)


def test_account_sid_is_kept() -> None:
    """A well-formed account SID is taken as it is."""
    assert ACCOUNT_SID.validate_python("AC" + "aB" * 16) == "AC" + "aB" * 16


def test_agent_id_is_kept_in_canonical_form() -> None:
    """A UUID in capitals or braces is kept the way Vatel writes it."""
    assert AGENT_ID.validate_python("{3F0C1F5E-8F57-4F2B-9C57-2F4F3A1B7C11}") == (
        "3f0c1f5e-8f57-4f2b-9c57-2f4f3a1b7c11"
    )


def test_agent_name_instead_of_id_is_refused() -> None:
    """The agent's name is no substitute for its id."""
    assert "must be a UUID" in refusal(AGENT_ID, "Front desk")


@pytest.mark.parametrize("value", ["with space", "line\nbreak", "tab\t", "umläut", "nul\0"])
def test_badly_pasted_secrets_are_refused_unseen(value: str) -> None:
    """A secret with a stray character is refused without being repeated."""
    sentence = refusal(SECRET, value)

    assert "pasted whole" in sentence
    assert value not in sentence


def test_empty_secret_is_refused() -> None:
    """An empty secret is none."""
    assert refusal(SECRET, "") == "Value error, is empty"


def test_secret_hides_itself() -> None:
    """An accepted secret shows only when asked for by name."""
    secret = SECRET.validate_python("hunter2")

    assert "hunter2" not in f"{secret!r} {secret}"
    assert secret.get_secret_value() == "hunter2"


@pytest.mark.parametrize(
    "url",
    [
        "sqlite:///gateway.db",
        "sqlite:////var/lib/gateway/gateway.db",
        "postgres://user@host/name",
        "postgresql://user:p%40ss@host:5432/name?sslmode=require",
        "postgresql:///name?host=/run/postgresql",
    ],
)
def test_databases_that_can_be_opened_are_taken(url: str) -> None:
    """A file or a named database on a server, as written."""
    assert DATABASE_URL.validate_python(url).get_secret_value() == url


@pytest.mark.parametrize(
    ("url", "fragment"),
    [
        ("gateway.db", "is no URL: it must be sqlite:///FILE"),
        ("sqlite://", "must be sqlite:///FILE"),
        ("sqlite:///", "must be sqlite:///FILE"),
        ("sqlite:///:memory:", "must be sqlite:///FILE"),
        ("postgresql://user:canary@host", "must be sqlite:///FILE"),
        ("mysql://user:canary@host/name", "or postgresql://USER"),
        ("postgresql://user:canary word@host/name", "pasted whole"),
        ("postgresql://user:canary\n@host/name", "pasted whole"),
    ],
)
def test_databases_that_cannot_are_refused_unseen(url: str, fragment: str) -> None:
    """The refusal says what is needed and repeats no password."""
    said = refusal(DATABASE_URL, url)

    assert fragment in said
    assert "canary" not in said


A_KEY = "A" * 43 + "="


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (Origins, ""),
        (Origins, "https://desk.example.com"),
        (Origins, "https://desk.example.com, http://localhost:3000"),
        (Networks, ""),
        (Networks, "10.1.2.0/24, fd12:3456::/32,192.168.1.7"),
        (Prefixes, "+"),
        (Prefixes, "+49, +43"),
        (PhoneNumber, "+15005550006"),
        (ClockTime, "00:00"),
        (ClockTime, "23:59"),
        (TimeZone, "Europe/Berlin"),
        (StoreUrl, "/var/lib/recordings"),
        (StoreUrl, "recordings/kept"),
        (StoreUrl, "file:///var/lib/recordings"),
        (StoreUrl, "s3://bucket/prefix"),
        (StoreUrl, "gs://bucket"),
        (StoreUrl, "az://container"),
    ],
)
def test_plain_formats_keep_what_fits(kind: Any, value: str) -> None:
    """What fits is kept as it was written."""
    assert TypeAdapter[str](kind).validate_python(value) == value


@pytest.mark.parametrize(
    ("kind", "value", "why"),
    [
        (Origins, "https://desk.example.com/", "origins"),
        (Origins, "https://desk.example.com/page", "origins"),
        (Origins, "*", "https://"),
        (Origins, "http://desk.example.com,ftp://x", "https://"),
        (Networks, "10.1.2.3/8", "beginning where its prefix ends"),
        (Networks, "10.0.0.0/8;10.1.0.0/16", "networks like"),
        (Networks, "0.0.0.0/0", "every address there is"),
        (Networks, "backend.internal", "networks like"),
        (Prefixes, "", "begin with"),
        (Prefixes, "49", "begin with"),
        (Prefixes, "+49;+43", "begin with"),
        (PhoneNumber, "5005550006", "E.164"),
        (PhoneNumber, "+0500555000", "E.164"),
        (PhoneNumber, "+1500555", None),
        (PhoneNumber, "+1 500 555 0006", "E.164"),
        (ClockTime, "24:00", "time of day"),
        (ClockTime, "7:30", "time of day"),
        (TimeZone, "Berlin", "IANA"),
        (StoreUrl, "", "is empty"),
        (StoreUrl, "a b", "a space"),
        (StoreUrl, "ftp://x/y", "must be a folder"),
        (StoreUrl, "s3://", "must be a folder"),
        (StoreUrl, "s3://key:canary@bucket", "user name"),
    ],
)
def test_plain_formats_refuse_what_does_not_fit(kind: Any, value: str, why: str | None) -> None:
    """What does not fit is refused with what would, and never repeated."""
    adapter = TypeAdapter[str](kind)
    if why is None:
        assert adapter.validate_python(value) == value
        return
    told = refusal(adapter, value)

    assert why in told
    assert "canary" not in told


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (ClusterUrl, "valkey://:pw@valkey.example.com:6379"),
        (ClusterUrl, "rediss://redis.example.com"),
        (ClusterUrl, "unix:///run/valkey.sock"),
        (RecordingKeys, f"k1:{A_KEY}"),
        (RecordingKeys, f"k2:{A_KEY}, k1:{A_KEY}"),
    ],
)
def test_secret_formats_keep_what_fits(kind: Any, value: str) -> None:
    """What fits is kept, out of sight."""
    kept = TypeAdapter[SecretStr](kind).validate_python(value)

    assert kept.get_secret_value() == value
    assert value not in repr(kept)


@pytest.mark.parametrize(
    ("kind", "value", "why"),
    [
        (ClusterUrl, "canary", "must be redis://"),
        (ClusterUrl, "http://canary", "must be redis://"),
        (ClusterUrl, "valkey://", "must be redis://"),
        (ClusterUrl, "valkey://a canary", "must be redis://"),
        (RecordingKeys, "", "NAME:KEY"),
        (RecordingKeys, A_KEY, "NAME:KEY"),
        (RecordingKeys, "k1:canary", "NAME:KEY"),
        (RecordingKeys, f"a b:{A_KEY}", "NAME:KEY"),
        (RecordingKeys, f"k1:{A_KEY},k2:{A_KEY[4:]}", "NAME:KEY"),
    ],
)
def test_secret_formats_refuse_what_does_not_fit(kind: Any, value: str, why: str) -> None:
    """What does not fit is refused with what would, and never repeated."""
    told = refusal(TypeAdapter[SecretStr](kind), value)

    assert why in told
    assert "canary" not in told


def test_items_of_a_list() -> None:
    """A list is written with commas; spaces and empty places do not count."""
    assert items("") == ()
    assert items(" a, b,,c ") == ("a", "b", "c")
