import numpy as np

from gateway.audio.pcm import from_bytes
from gateway.sandbox.signals import chime, sine


def test_sine_has_its_frequency_level_and_length() -> None:
    """A second of 1 kHz at -6 dBFS is 24,000 samples with one spectral line at half of full scale."""
    pcm = from_bytes(sine(1_000.0, 1.0, -6.0)).astype(np.float64)
    spectrum = np.abs(np.fft.rfft(pcm)) * 2 / len(pcm)
    assert len(pcm) == 24_000
    assert spectrum.argmax() == 1_000
    assert abs(20 * np.log10(spectrum[1_000] / 32_767) + 6.0) < 0.01
    spectrum[1_000] = 0
    assert spectrum.max() < 1.0


def test_loudest_sine_does_not_clip() -> None:
    """At 0 dBFS the peak is the largest sample there is."""
    assert from_bytes(sine(6_000.0, 0.1, 0.0)).max() == 32_767


def test_chime_grows_with_the_words() -> None:
    """A longer text takes longer to play."""
    assert len(chime("Hello")) < len(chime("Hello, how can I help you today?"))
