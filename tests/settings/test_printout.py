"""The printed configuration and the example file."""

import re
import tomllib
from pathlib import Path

from gateway.settings.model import KEYS, Settings
from gateway.settings.printout import describe, example_toml
from gateway.settings.sources import load

EXAMPLE = Path(__file__).parents[2] / "config" / "gateway.example.toml"
DEMO = EXAMPLE.with_name("demo.toml")


def test_description_has_a_line_per_setting_with_its_source() -> None:
    """Each setting stands on one line with its value and where it came from."""
    env = {
        "GATEWAY_PORT": "9000",
        "GATEWAY_HOST": "127.0.0.1",
        "GATEWAY_TWILIO__VALIDATE_SIGNATURES": "no",
    }
    lines = describe(load({"audio.lead_ms": 80}, env)).splitlines()
    table = {name: rest for name, *rest in (re.split(r" {2,}", line) for line in lines)}

    assert list(table) == list(KEYS)
    assert table["port"] == ["9000", "GATEWAY_PORT"]
    assert table["audio.lead_ms"] == ["80", "--audio-lead-ms"]
    assert table["twilio.validate_signatures"] == ["false", "GATEWAY_TWILIO__VALIDATE_SIGNATURES"]
    assert table["public_url"] == ["(not set)", "default"]
    assert table["host"] == ["127.0.0.1", "GATEWAY_HOST"]
    assert table["vatel.base_url"] == ["https://api.vatel.ai", "default"]


def test_description_hides_secrets() -> None:
    """A secret is only said to be set."""
    text = describe(load({}, {"GATEWAY_VATEL__API_KEY": "canary"}))

    assert "canary" not in text
    assert "******** (set)" in text


def test_example_file_is_the_one_the_program_writes() -> None:
    """The file in config/ is up to date with the declared settings."""
    assert EXAMPLE.read_text(encoding="utf-8") == example_toml()


def test_example_file_holds_exactly_the_defaults() -> None:
    """Loading the example changes no value and gives every key that has a default."""
    settings = load({"config": str(EXAMPLE)}, {})

    assert settings.values() == Settings().values()
    for name, key in KEYS.items():
        assert (settings.origin(name) == "default") is key.optional, name


def test_example_file_shows_every_key() -> None:
    """With its commented keys uncommented, but for the secrets, the example gives every key a legal value."""
    text = re.sub(r"^# (\w+ = )", r"\1", example_toml(), flags=re.MULTILINE)
    document = tomllib.loads(text.partition("\n\n")[2])
    names = {
        f"{name}.{inner}" if isinstance(value, dict) else name
        for name, value in document.items()
        for inner in (value if isinstance(value, dict) else [""])
    }

    assert names == set(KEYS)


def test_example_values_would_be_accepted(tmp_path: Path) -> None:
    """Each example value of a key without a default fits that key."""
    text = re.sub(r"^# (\w+ = )", r"\1", example_toml().partition("\n\n")[2], flags=re.MULTILINE)
    (tmp_path / "all.toml").write_text(text, encoding="utf-8")

    load({"config": str(tmp_path / "all.toml")}, {}).require_serving()


def test_demo_file_is_valid() -> None:
    """The demo's settings load and override something."""
    settings = load({"config": str(DEMO)}, {})

    assert any(settings.origin(name) != "default" for name in KEYS)
