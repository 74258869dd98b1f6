"""The log: one event name and structured fields per line on standard error, set up once at the edge.

Our own events (structlog) and those of the libraries (logging) take the same way out: through the
redaction, then as one JSON object per line, or readable for people. Nothing is logged per frame, and what
belongs to a call carries its `call_id`, bound once.
"""

import logging
import sys
from collections.abc import Iterable, MutableMapping
from contextlib import AbstractContextManager, suppress
from datetime import UTC, datetime
from typing import Any, Literal, TextIO, cast

import structlog

from gateway.telemetry.redact import Redactor

Level = Literal["debug", "info", "warning", "error"]
Format = Literal["json", "console", "auto"]
Logger = structlog.typing.FilteringBoundLogger

_Event = MutableMapping[str, Any]
_OURS = frozenset({"ts", "level", "logger"})  # put there on the way, whatever was said
_FIRST = ("ts", "level", "logger", "event", "call_id", "call_sid")

# At DEBUG these write whole frames, request lines and rows, tokens and speech included.
_TALKATIVE = ("websockets", "aiohttp", "asyncio", "aiosqlite")


def configure(
    level: Level = "info",
    format: Format = "auto",
    *,
    secrets: Iterable[str] = (),
    stream: TextIO | None = None,
) -> None:
    """Set up all logging of this process; calling it again replaces the former set-up.

    Args:
        level: the least severe level written.
        format: `json` lines, `console` for people, `auto` the latter when the stream is a terminal.
        secrets: texts that are masked wherever they appear (see `Settings.secrets`).
        stream: where lines go, standard error by default.
    """
    out = sys.stderr if stream is None else stream
    people = format == "console" or (format == "auto" and out.isatty())
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        _stamp,
    ]
    clean = _Clean(secrets)
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.format_exc_info,
            clean,
            _console(out) if people else structlog.processors.JSONRenderer(),
        ],
    )
    _route(_LineHandler(out, formatter, clean), level)
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )


def add_secrets(secrets: Iterable[str]) -> None:
    """Mask these texts too from now on, wherever they appear; what was masked before stays so."""
    for handler in logging.getLogger().handlers:
        if isinstance(handler, _LineHandler):
            handler.clean.add(secrets)


def get_logger(name: str) -> Logger:
    """Return the logger of a module; asking has no side effect, so it may stand at module level."""
    return cast(Logger, structlog.get_logger(name))


def bind_call(*, call_id: str, call_sid: str | None = None) -> AbstractContextManager[None]:
    """Put the call's ids on every line logged inside the `with`, in tasks started there too."""
    ids = {"call_id": call_id} | ({"call_sid": call_sid} if call_sid else {})
    return structlog.contextvars.bound_contextvars(**ids)


def _route(handler: "_LineHandler", level: Level) -> None:
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(max(root.level, logging.INFO))
    logging.captureWarnings(True)


class _LineHandler(logging.StreamHandler[TextIO]):
    """Writes to a stream; a record that cannot be formatted is told without its contents."""

    def __init__(self, out: TextIO, formatter: logging.Formatter, clean: "_Clean") -> None:
        super().__init__(out)
        self.setFormatter(formatter)
        self.clean = clean

    def handleError(self, record: logging.LogRecord) -> None:
        # The standard one prints the record's arguments, unredacted, to standard error.
        kind = getattr(sys.exc_info()[0], "__name__", "unknown")
        with suppress(OSError, ValueError):
            self.stream.write(f'{{"level": "error", "event": "log line lost", "error": "{kind}"}}\n')


class _Clean:
    """The processor before the renderer: redacts every field and puts the important ones first."""

    def __init__(self, secrets: Iterable[str]) -> None:
        self._secrets = frozenset(secrets)
        self._redactor = Redactor.of(self._secrets)

    def add(self, secrets: Iterable[str]) -> None:
        """Know more secrets."""
        self._secrets |= frozenset(secrets)
        self._redactor = Redactor.of(self._secrets)

    def __call__(self, logger: object, method: str, event: _Event) -> _Event:
        clean = {
            key: value if key in _OURS else self._redactor.pair(key, value) for key, value in event.items()
        }
        return {key: clean.pop(key) for key in _FIRST if key in clean} | clean


def _stamp(logger: object, method: str, event: _Event) -> _Event:
    event["ts"] = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return event


def _console(out: TextIO) -> structlog.dev.ConsoleRenderer:
    # plain_traceback: the pretty one shows local variables, which hold secrets and speech.
    return structlog.dev.ConsoleRenderer(
        colors=out.isatty(), timestamp_key="ts", exception_formatter=structlog.dev.plain_traceback
    )
