"""How a command that serves until it is stopped learns that it is to stop."""

import asyncio
import signal

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


async def stop_asked() -> None:
    """Wait for SIGINT or SIGTERM; until it comes, neither ends the process."""
    loop, asked = asyncio.get_running_loop(), asyncio.Event()
    for number in _SIGNALS:
        loop.add_signal_handler(number, asked.set)
    try:
        await asked.wait()
    finally:
        for number in _SIGNALS:
            loop.remove_signal_handler(number)
