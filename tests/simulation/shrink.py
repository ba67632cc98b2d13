"""Shrinking: fewer steps that fail in the same way."""

from __future__ import annotations

from collections.abc import Callable

from .history import History

TRIES = 300
"""How many histories are tried, at most."""


def shrink(history: History, fails: Callable[[History], bool], tries: int = TRIES) -> History:
    """The history with as few steps as can be found.

    Args:
        fails: whether a history fails as this one does.  tries: how often it may be asked.
    """
    size = max(1, len(history.steps) // 2)
    while tries > 0:
        found, tries = _pass(history, fails, size, tries)
        if size == 1 and found is history:
            break
        history, size = found, max(1, size // 2)
    return history


def _pass(history: History, fails: Callable[[History], bool], size: int, tries: int) -> tuple[History, int]:
    """Leave out, from the last on, each run of ``size`` steps that isn't needed."""
    end = len(history.steps)
    while end > 0 and tries > 0:
        start = max(0, end - size)
        less = history.without(frozenset(range(start, end)))
        tries -= 1
        if fails(less):
            history = less
        end = start
    return history, tries
