"""The process's logging, left as it was found."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import structlog

_TALKATIVE = ("websockets", "aiohttp", "asyncio", "aiosqlite")


@contextmanager
def logging_kept() -> Iterator[None]:
    """Undo what is configured within: what a test or a whole command sets would hide lines of other tests."""
    loggers = [logging.getLogger(), *map(logging.getLogger, _TALKATIVE)]
    handlers, levels = loggers[0].handlers[:], [logger.level for logger in loggers]
    before = structlog.get_config() if structlog.is_configured() else None
    try:
        yield
    finally:
        loggers[0].handlers[:] = handlers
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
        logging.captureWarnings(False)
        if before is None:
            structlog.reset_defaults()
        else:
            structlog.configure(**before)
