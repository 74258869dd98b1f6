"""The limits of single settings."""

import pytest
from pydantic import ValidationError

from gateway.settings.sections import (
    AudioSettings,
    CallSettings,
    DatabaseSettings,
    LogSettings,
    MetricsSettings,
    Section,
    TwilioSettings,
    VatelSettings,
)

SECTIONS = (
    AudioSettings,
    CallSettings,
    DatabaseSettings,
    LogSettings,
    MetricsSettings,
    TwilioSettings,
    VatelSettings,
)


@pytest.mark.parametrize("section", SECTIONS)
def test_every_limit_is_a_limit(section: type[Section]) -> None:
    """Each number is refused just beyond its declared limits, and when it is no number at all."""
    for name, field in section.model_fields.items():
        low = [limit.ge if hasattr(limit, "ge") else limit.gt for limit in field.metadata if _is_low(limit)]
        high = [limit.le for limit in field.metadata if hasattr(limit, "le")]
        if field.annotation not in (int, float):
            continue
        assert low, name
        assert high, name
        for wrong in (low[0] - 1, high[0] + 1, float("nan"), float("inf"), None, "much"):
            with pytest.raises(ValidationError):
                section(**{name: wrong})


def _is_low(limit: object) -> bool:
    return hasattr(limit, "ge") or hasattr(limit, "gt")


@pytest.mark.parametrize("section", SECTIONS)
def test_sections_are_immutable_and_closed(section: type[Section]) -> None:
    """A section refuses a key it does not know and a change of one it knows."""
    with pytest.raises(ValidationError, match="Extra inputs"):
        section.model_validate({"unheard_of": 1})
    name = next(iter(section.model_fields))
    with pytest.raises(ValidationError, match="frozen"):
        setattr(section(), name, None)


@pytest.mark.parametrize(
    ("section", "name", "choices"),
    [
        (AudioSettings, "resampler", ["soxr", "low_delay"]),
        (AudioSettings, "barge_in", ["clear", "pause"]),
        (LogSettings, "level", ["debug", "info", "warning", "error"]),
        (LogSettings, "format", ["json", "console", "auto"]),
    ],
)
def test_choices_are_closed(section: type[Section], name: str, choices: list[str]) -> None:
    """Each listed word is accepted, another or another spelling is not."""
    for choice in choices:
        assert getattr(section(**{name: choice}), name) == choice
        with pytest.raises(ValidationError):
            section(**{name: choice.upper()})


@pytest.mark.parametrize("port", [-1, 65_536, 1.5, "http"])
def test_metrics_port_that_is_none_is_refused(port: object) -> None:
    """A port is a whole number that TCP has; unset, nothing is served."""
    assert MetricsSettings().port is None
    with pytest.raises(ValidationError):
        MetricsSettings.model_validate({"port": port})


def test_failed_validation_does_not_show_the_value() -> None:
    """A secret pasted under the wrong name stays out of the error's text."""
    with pytest.raises(ValidationError) as caught:
        VatelSettings.model_validate({"agent_id": "canary", "base_url": "canary"})

    assert "canary" not in f"{caught.value}{caught.value!r}"


def test_database_is_a_file_here_unless_told_otherwise() -> None:
    """Without a URL records are kept in the working directory."""
    told = DatabaseSettings.model_validate({"url": "sqlite:////var/lib/x.db"})

    assert DatabaseSettings().effective_url == "sqlite:///gateway.db"
    assert told.effective_url == "sqlite:////var/lib/x.db"
