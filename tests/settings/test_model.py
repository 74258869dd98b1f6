"""The declared settings: defaults, limits, rules across keys, and what serving needs."""

import pytest
from pydantic import SecretStr, ValidationError

from gateway.errors import ConfigError
from gateway.settings.model import KEYS, RULES, Settings, conflicts
from gateway.settings.sections import AudioSettings, CallSettings, TwilioSettings, VatelSettings

COMPLETE = Settings(
    public_url="https://voice.example.com",
    vatel=VatelSettings(api_key=SecretStr("vatel-canary"), agent_id="3f0c1f5e-8f57-4f2b-9c57-2f4f3a1b7c11"),
    twilio=TwilioSettings(account_sid="AC" + "0" * 32, auth_token=SecretStr("twilio-canary")),
)


def test_fixed_names_and_defaults_stand() -> None:
    """The names and defaults that the interface promises are there."""
    promised = {
        "GATEWAY_HOST": "0.0.0.0",
        "GATEWAY_PORT": 8080,
        "GATEWAY_PUBLIC_URL": None,
        "GATEWAY_VATEL__BASE_URL": "https://api.vatel.ai",
        "GATEWAY_VATEL__API_KEY": None,
        "GATEWAY_VATEL__AGENT_ID": None,
        "GATEWAY_TWILIO__ACCOUNT_SID": None,
        "GATEWAY_TWILIO__AUTH_TOKEN": None,
        "GATEWAY_TWILIO__API_BASE_URL": "https://api.twilio.com",
        "GATEWAY_TWILIO__VALIDATE_SIGNATURES": True,
        "GATEWAY_AUDIO__RESAMPLER": "soxr",
        "GATEWAY_AUDIO__LEAD_MS": 200,
        "GATEWAY_CALLS__MAX_ACTIVE": 200,
    }
    defaults = {key.env: key.value_in(Settings()) for key in KEYS.values()}

    assert promised.items() <= defaults.items()


def test_every_default_fits_its_own_limits() -> None:
    """Giving each default explicitly is accepted and changes nothing."""
    given = {
        name: value
        if not hasattr(value, "model_dump")
        else {key: inner for key, inner in value.model_dump().items() if inner is not None}
        for name, value in Settings()
        if value is not None
    }

    assert Settings.model_validate(given, strict=True).values() == Settings().values()


def test_every_key_has_its_meaning_and_an_example() -> None:
    """No key goes without a sentence and a value to copy."""
    for key in KEYS.values():
        assert key.description, key.name
        assert key.example != "null", key.name
        assert key.field.validate_default is not True, key.name


def test_names_with_a_unit_say_it_in_words() -> None:
    """A key that ends in _s or _ms speaks of seconds or milliseconds."""
    for key in KEYS.values():
        if key.name.endswith("_ms"):
            assert "milliseconds" in key.description, key.name
        elif key.name.endswith("_s"):
            assert "seconds" in key.description, key.name


def test_settings_cannot_be_changed() -> None:
    """A running process keeps the settings it started with."""
    with pytest.raises(ValidationError, match="frozen"):
        COMPLETE.port = 1
    with pytest.raises(ValidationError, match="frozen"):
        COMPLETE.audio.lead_ms = 1


def test_unknown_fields_are_refused() -> None:
    """A misspelt field is an error in every section."""
    with pytest.raises(ValidationError, match="Extra inputs"):
        Settings.model_validate({"audio": {"lead": 3}})


def test_secrets_stay_out_of_repr_and_errors() -> None:
    """Neither printing settings nor a failed validation shows a secret."""
    with pytest.raises(ValidationError) as caught:
        Settings.model_validate({"vatel": {"api_key": "vatel canary", "agent_id": "vatel canary"}})

    assert "canary" not in f"{COMPLETE!r}{COMPLETE}{caught.value!r}{caught.value}"


def test_secrets_are_listed_for_the_log() -> None:
    """The log's redaction gets exactly the secrets that are set."""
    assert COMPLETE.secrets() == ["vatel-canary", "twilio-canary"]
    assert Settings().secrets() == []


def test_values_come_by_dotted_name() -> None:
    """Every key of every section is found under its dotted name."""
    values = COMPLETE.values()

    assert list(values) == list(KEYS)
    assert values["public_url"] == "https://voice.example.com"
    assert values["audio.lead_ms"] == 200


def test_origin_is_default_unless_known() -> None:
    """A value that no source gave says so."""
    settings = Settings().with_origins({"port": "GATEWAY_PORT"})

    assert settings.origin("port") == "GATEWAY_PORT"
    assert settings.origin("host") == "default"
    assert Settings().origin("port") == "default"


def test_key_has_a_name_for_each_source() -> None:
    """One key is spelt as its source spells names."""
    key = KEYS["audio.lead_ms"]

    assert (key.env, key.flag, key.example) == ("GATEWAY_AUDIO__LEAD_MS", "--audio-lead-ms", "200")
    assert not key.secret
    assert not key.optional


def test_only_secrets_are_secret() -> None:
    """The keys kept out of print are exactly the credentials, and the URL that may hold one."""
    assert [name for name, key in KEYS.items() if key.secret] == [
        "vatel.api_key",
        "twilio.auth_token",
        "database.url",
        "cluster.url",
        "recordings.keys",
    ]


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost"])
@pytest.mark.parametrize("url", ["http://127.0.0.1:8080", "http://localhost", None])
def test_signatures_may_be_off_on_loopback(host: str, url: str | None) -> None:
    """Nobody else can reach an unchecked gateway that listens on this machine alone."""
    unsigned = TwilioSettings(validate_signatures=False)

    assert Settings(host=host, public_url=url, twilio=unsigned).public_url == url


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "https://voice.example.com"),
        ("0.0.0.0", "http://127.0.0.1:8080"),
        ("::", "http://127.0.0.1:8080"),
        ("192.0.2.7", "http://localhost"),
        ("voice.example.com", None),
    ],
)
def test_signatures_off_within_reach_of_others_is_refused(host: str, url: str | None) -> None:
    """Unsigned webhooks would spend the operator's key, whether a proxy passes them or the port is open."""
    with pytest.raises(ValidationError, match="could start sessions on your Vatel key"):
        Settings(host=host, public_url=url, twilio=TwilioSettings(validate_signatures=False))


def test_signatures_off_needs_a_host_of_its_own() -> None:
    """The default host listens on every network, so turning the check off alone is refused."""
    with pytest.raises(ValidationError, match="both host and public_url are loopback"):
        Settings(public_url="http://127.0.0.1:8080", twilio=TwilioSettings(validate_signatures=False))


@pytest.mark.parametrize("host", ["0.0.0.0", "127.0.0.1"])
def test_checked_signatures_go_with_any_host(host: str) -> None:
    """A gateway that checks signatures may listen anywhere."""
    assert Settings(host=host, public_url="https://voice.example.com").host == host


def test_lead_must_fit_the_buffer() -> None:
    """More lead than buffer cannot work."""
    with pytest.raises(ValidationError, match="lead_ms must be less"):
        Settings(audio=AudioSettings(lead_ms=2_000, buffer_ms=1_000))


def test_drain_grace_may_be_longer_than_the_drain() -> None:
    """The grace comes before the drain's own time, so neither bounds the other."""
    calls = CallSettings(drain_grace_s=10, drain_max_s=0)

    assert Settings(calls=calls).calls == calls


def test_rules_name_existing_keys_in_their_sentences() -> None:
    """Each rule reads keys that exist and mentions each of them."""
    for rule in RULES:
        for key in rule.keys:
            assert key in KEYS
            assert key in rule.sentence


def test_rule_is_skipped_while_a_value_is_missing() -> None:
    """A value that was already refused does not cause a second complaint."""
    assert conflicts({"audio.lead_ms": 5_000}) == []
    assert len(conflicts({"audio.lead_ms": 5_000, "audio.buffer_ms": 1_000})) == 1


def test_complete_settings_may_serve() -> None:
    """Nothing is missing when everything needed is set."""
    COMPLETE.require_serving()


def test_empty_settings_list_all_that_serving_needs() -> None:
    """One error names every missing key with both its spellings and an example."""
    with pytest.raises(ConfigError) as caught:
        Settings().require_serving()
    lines = str(caught.value).splitlines()

    assert [line.split()[0] for line in lines] == [
        "GATEWAY_PUBLIC_URL",
        "GATEWAY_VATEL__API_KEY",
        "GATEWAY_VATEL__AGENT_ID",
        "GATEWAY_TWILIO__ACCOUNT_SID",
        "GATEWAY_TWILIO__AUTH_TOKEN",
    ]
    assert "(TOML: vatel.agent_id)" in lines[2]
    assert all("for example" in line for line in lines)
    assert caught.value.reason == "incomplete_settings"


def test_unchecked_loopback_gateway_needs_no_twilio_account() -> None:
    """Local trials without signatures run without Twilio credentials."""
    local = COMPLETE.model_copy(
        update={"public_url": "http://127.0.0.1:8080", "twilio": TwilioSettings(validate_signatures=False)}
    )

    local.require_serving()


def test_password_of_the_database_is_a_secret_of_its_own() -> None:
    """The log masks the URL and the password in it, as a driver would spell it."""
    settings = Settings.model_validate({"database": {"url": "postgresql://u:p%40canary@db/name"}})

    assert settings.secrets() == ["postgresql://u:p%40canary@db/name", "p@canary"]
    assert Settings.model_validate({"database": {"url": "sqlite:///x.db"}}).secrets() == ["sqlite:///x.db"]
