"""A limit on how long a piece of code may take, for readers that a damaged file may keep busy for ever."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

REPEAT_S = 1.0
"""Interval of the alarm, which repeats because a reader may catch the first one like an error in its file."""


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Raise TimeoutError inside the block once it has taken this long.

    It interrupts Python code, not a call into a library that never returns, and works in the main thread alone.

    Parameters
    ----------
    seconds
        By the wall clock.
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
