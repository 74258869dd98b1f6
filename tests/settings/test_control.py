"""The settings of the control plane: their limits and what they come to."""

import pytest
from pydantic import ValidationError

from gateway.settings.control import (
    ApiSettings,
    ClusterSettings,
    OutboundSettings,
    RecordingSettings,
    WebhookSettings,
)
from gateway.settings.sections import Section

SECTIONS = (ApiSettings, ClusterSettings, OutboundSettings, RecordingSettings, WebhookSettings)


@pytest.mark.parametrize("section", SECTIONS)
def test_every_limit_is_a_limit(section: type[Section]) -> None:
    """Each number is refused just beyond its declared limits, and when it is no number at all."""
    for name, field in section.model_fields.items():
        if field.annotation not in (int, float):
            continue
        low = [getattr(limit, "ge", getattr(limit, "gt", None)) for limit in field.metadata]
        high = [limit.le for limit in field.metadata if hasattr(limit, "le")]
        least = next(limit for limit in low if limit is not None)
        for wrong in (least - 1, high[0] + 1, float("nan"), None, "much"):
            with pytest.raises(ValidationError):
                section.model_validate({name: wrong})


@pytest.mark.parametrize("section", SECTIONS)
def test_sections_are_closed(section: type[Section]) -> None:
    """A key that is unknown is refused."""
    with pytest.raises(ValidationError, match="Extra inputs"):
        section.model_validate({"unheard_of": 1})


def test_recordings_are_in_the_working_directory_unless_told_otherwise() -> None:
    """A folder of its own holds what is recorded and what is kept; each can be put elsewhere."""
    plain, moved = RecordingSettings(), RecordingSettings(folder="/x")

    assert (plain.effective_folder, plain.effective_url) == ("recordings", "recordings/kept")
    assert (moved.effective_folder, moved.effective_url) == ("/x", "/x/kept")
    assert RecordingSettings(url="s3://b").effective_url == "s3://b"


def test_lists_are_read_by_their_commas() -> None:
    """Origins, networks and prefixes come as lists."""
    api = ApiSettings(origins="https://a.example.com, https://b.example.com")

    assert api.origin_list == ("https://a.example.com", "https://b.example.com")
    assert ApiSettings().origin_list == ()
    assert OutboundSettings(allowed_prefixes="+49,+43").prefix_list == ("+49", "+43")
    assert OutboundSettings().prefix_list == ("+",)
    assert WebhookSettings(allow_private="10.1.0.0/16, ::1").private_list == ("10.1.0.0/16", "::1")
    assert WebhookSettings().private_list == ()


def test_no_calls_are_placed_unless_there_is_a_number() -> None:
    """Without a number of our own nothing is dialled; without a server a process stands alone."""
    assert OutboundSettings().from_number is None
    assert ClusterSettings().url is None
