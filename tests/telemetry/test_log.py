"""The log as it leaves the process."""

import asyncio
import io
import json
import logging
import re
import warnings
from typing import Any

import pytest

from gateway.telemetry.log import Format, Level, add_secrets, bind_call, configure, get_logger

SECRET = "canary-0123456789"


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def configured(
    level: Level = "info", format: Format = "json", stream: io.StringIO | None = None
) -> io.StringIO:
    """Set up logging to a stream and return the stream."""
    out = stream or io.StringIO()
    configure(level, format, secrets=[SECRET], stream=out)
    return out


def lines(out: io.StringIO) -> list[dict[str, Any]]:
    """Return the JSON object on each line."""
    return [json.loads(line) for line in out.getvalue().splitlines()]


def test_event_is_one_json_line() -> None:
    """Time, level, logger and event come first, then the fields as given."""
    out = configured()
    get_logger("gateway.bridge").info("call_ended", result="success", frames=250)
    [line] = lines(out)

    assert list(line) == ["ts", "level", "logger", "event", "result", "frames"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line.pop("ts"))
    assert line == {
        "level": "info",
        "logger": "gateway.bridge",
        "event": "call_ended",
        "result": "success",
        "frames": 250,
    }


def test_secrets_that_come_later_are_masked_as_well() -> None:
    """A file that is read while the process runs may bring secrets of its own; the first stay masked."""
    out = configured()
    add_secrets(["later-0123456789"])
    get_logger("x").info("asked", one=f"<{SECRET}>", two="<later-0123456789>")

    [line] = lines(out)
    assert (line["one"], line["two"]) == ("<******>", "<******>")


def test_lines_below_the_level_are_left_out() -> None:
    """Only the asked level and above are written, whoever logs."""
    out = configured("warning")
    get_logger("x").info("quiet")
    logging.getLogger("y").info("quiet")
    get_logger("x").warning("heard")

    assert [line["event"] for line in lines(out)] == ["heard"]


def test_standard_logging_takes_the_same_way() -> None:
    """A library's record is shaped and cleaned like our own."""
    out = configured()
    logging.getLogger("aiohttp.server").error("Error handling %s", "GET /v1/connection?token=abc HTTP/1.1")
    [line] = lines(out)

    assert line["logger"] == "aiohttp.server"
    assert line["event"] == "Error handling GET /v1/connection?… HTTP/1.1"


@pytest.mark.parametrize("name", ["websockets.client", "aiohttp.access", "asyncio", "aiosqlite"])
def test_libraries_that_print_frames_stay_quiet_at_debug(name: str) -> None:
    """Asking for debug output does not ask for every frame and token."""
    out = configured("debug")
    logging.getLogger(name).debug("> GET /v1/connection?token=abc")
    get_logger("gateway").debug("ours")

    assert [line["event"] for line in lines(out)] == ["ours"]


def test_warnings_are_logged() -> None:
    """Python's own warnings become lines of the log."""
    out = configured()
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(False)
        logging.captureWarnings(True)
        warnings.warn("old thing", stacklevel=1)

    assert "old thing" in lines(out)[0]["event"]


def test_call_ids_are_on_every_line_of_the_call() -> None:
    """Inside the binding all loggers carry the ids; outside nobody does."""
    out = configured()
    with bind_call(call_id="c-1", call_sid="CA1"):
        get_logger("x").info("one")
        logging.getLogger("y").info("two")
    with bind_call(call_id="c-2"):
        get_logger("x").info("three")
    get_logger("x").info("four")

    assert [(line.get("call_id"), line.get("call_sid")) for line in lines(out)] == [
        ("c-1", "CA1"),
        ("c-1", "CA1"),
        ("c-2", None),
        (None, None),
    ]


async def test_concurrent_calls_keep_their_own_ids() -> None:
    """Each task logs under the call it was started in."""
    out = configured()

    async def call(call_id: str) -> None:
        with bind_call(call_id=call_id):
            await asyncio.sleep(0)
            get_logger("x").info(call_id)

    async with asyncio.TaskGroup() as group:
        for number in range(5):
            group.create_task(call(f"c-{number}"))

    assert all(line["event"] == line["call_id"] for line in lines(out))
    assert len(lines(out)) == 5


def raise_chained() -> None:
    """Raise an error with a cause, both of which hold what must not be logged."""
    local = SECRET
    try:
        raise KeyError(local)
    except KeyError as error:
        raise ValueError(f"from +15551230123\n{{'event': 'forged'}} {local}") from error


@pytest.mark.parametrize("format", ["json", "console"])
@pytest.mark.parametrize("terminal", [False, True])
def test_canaries_never_appear(format: Format, terminal: bool) -> None:
    """By whatever way a secret, number or payload gets into a line, it does not get out."""
    out = configured("debug", format, Terminal() if terminal else None)
    log = get_logger("gateway")
    with bind_call(call_id=SECRET):
        log.info("event with %s", SECRET)
        log.info("fields", auth_token="other-canary", url=f"wss://h/x?token={SECRET}", caller="+15551230123")
        log.info("nested", request={"headers": {"Authorization": "Bearer other-canary"}, "list": [SECRET]})
        log.info("content", payload="other-canary", transcript=["other-canary"], raw=SECRET.encode())
        logging.getLogger("lib").warning("token=%s", "other-canary", extra={"x": SECRET})
        logging.getLogger("lib").warning("bad %d", SECRET)
        try:
            raise_chained()
        except ValueError:
            log.exception("failed", sent=SECRET)
            logging.getLogger("lib").exception("failed")

    assert out.getvalue().count("failed") == 2
    assert "canary" not in out.getvalue().replace("test_canaries", "")
    assert "5551230" not in out.getvalue()


def test_hostile_text_stays_one_line() -> None:
    """Line breaks, escapes and a megabyte in any field make one bounded JSON line."""
    out = configured()
    hostile = '\r\n{"event": "forged"}\x1b[2J\u2028"' + "x" * 10**6
    get_logger("x").info(hostile, **{"field": hostile, "list": [hostile], "key\n": hostile})

    [line] = out.getvalue().splitlines()
    assert len(line) < 12_000
    assert line.isprintable()
    assert json.loads(line)["event"].startswith('\\r\\n{"event"')


def test_traceback_is_one_json_line() -> None:
    """An exception with line breaks in its message is one line of JSON."""
    out = configured()
    try:
        raise ValueError("a\nb")
    except ValueError:
        get_logger("x").exception("failed")
    [line] = lines(out)

    assert line["exception"].splitlines()[-2:] == ["  | ValueError: a", "  | b"]


def test_console_lines_cannot_be_forged() -> None:
    """For people too, nothing inside a value begins a line or paints the terminal."""
    out = configured(format="console")
    get_logger("x").info("a\nb", c="\x1b[31m\n2026 forged")

    assert len(out.getvalue().splitlines()) == 1
    assert "\x1b" not in out.getvalue()


@pytest.mark.parametrize(("stream", "people"), [(io.StringIO(), False), (Terminal(), True)])
def test_auto_format_follows_the_terminal(stream: io.StringIO, people: bool) -> None:
    """People at a terminal get colours, a pipe gets JSON."""
    configured(format="auto", stream=stream)
    get_logger("x").info("hello")

    assert stream.getvalue().startswith("{") is not people
    assert ("\x1b[" in stream.getvalue()) is people


def test_standard_error_is_the_default(capsys: pytest.CaptureFixture[str]) -> None:
    """Without a stream of its own the log goes to standard error, never to standard output."""
    configure("info", "json")
    get_logger("x").info("hello")
    captured = capsys.readouterr()

    assert captured.out == ""
    assert json.loads(captured.err)["event"] == "hello"


def test_record_that_cannot_be_formatted_is_told_without_its_values() -> None:
    """A wrong format string costs the line, says so, and shows no argument."""
    out = configured()
    logging.getLogger("x").error("bad %d", SECRET)
    [line] = lines(out)

    assert line == {"level": "error", "event": "log line lost", "error": "TypeError"}


def test_broken_stream_does_not_break_the_caller() -> None:
    """A log that cannot be written is no reason to drop a call."""
    out = configured()
    out.close()
    get_logger("x").error("nobody hears")


def test_second_configuration_replaces_the_first() -> None:
    """Configuring again leaves one handler, not two."""
    first, second = configured(), configured()
    get_logger("x").info("hello")

    assert first.getvalue() == ""
    assert len(lines(second)) == 1
