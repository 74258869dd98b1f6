"""The settings as flags of a command line."""

from argparse import ArgumentParser
from pathlib import Path

import pytest

from gateway.settings.flags import add_flags, overrides
from gateway.settings.model import KEYS
from gateway.settings.sources import load


def parse(*words: str) -> dict[str, object]:
    """Return what the flags among words override."""
    parser = ArgumentParser()
    parser.add_argument("--json", default="report.json")
    add_flags(parser)
    return overrides(parser.parse_args(words))


def test_no_flag_overrides_nothing() -> None:
    """Flags that are not given and flags that are no settings stay out."""
    assert parse() == {}


def test_flags_reach_the_settings(tmp_path: Path) -> None:
    """A flag's value ends up in the settings under its own name."""
    (tmp_path / "gateway.toml").write_text("host = '::'\n", encoding="utf-8")
    settings = load(
        parse("--config", str(tmp_path / "gateway.toml"), "--audio-lead-ms=100", "--port", "0"), {}
    )

    assert (settings.host, settings.audio.lead_ms, settings.port) == ("::", 100, 0)
    assert settings.origin("audio.lead_ms") == "--audio-lead-ms"


def test_every_setting_has_a_flag() -> None:
    """Each plain setting can be given on the command line."""
    for key in KEYS.values():
        if not key.secret:
            assert parse(f"{key.flag}=7") == {key.name: "7"}


def test_secrets_have_only_the_flag_of_their_file(capsys: pytest.CaptureFixture[str]) -> None:
    """A secret on the command line would be readable by all, so only its file can be named."""
    assert parse("--twilio-auth-token-file", "/run/secrets/x") == {"twilio.auth_token_file": "/run/secrets/x"}
    with pytest.raises(SystemExit):
        ArgumentParser(allow_abbrev=False).parse_args(["--twilio-auth-token", "x"])
    assert "unrecognized arguments" in capsys.readouterr().err


def test_help_shows_each_settings_meaning() -> None:
    """The help text explains each flag and what kind of value it takes."""
    parser = ArgumentParser()
    add_flags(parser)
    text = " ".join(parser.format_help().split())

    assert "--audio-lead-ms MS milliseconds of speech sent ahead" in text
    assert "--vatel-api-key-file FILE file that holds" in text
    assert "--public-url URL" in text
    assert "--log-level VALUE" in text
