"""A limit on how long a stretch of code may take, for readers that a damaged file may send round in circles."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

REPEAT_S = 1.0
"""The alarm comes again, since a reader may catch the first as an error of its own."""


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Raise TimeoutError inside the block once it has taken this long.

    It interrupts Python code, not a call into a library that never returns, and works in the main thread alone.

    Parameters
    ----------
    seconds
        By the clock on the wall.
    """

    def ring(number: int, frame: FrameType | None) -> None:
        raise TimeoutError(f"more than {seconds:.0f} s")

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds, REPEAT_S)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
