"""The person at the keyboard: what they are told, and what they are asked."""

from __future__ import annotations

import asyncio
import os
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NoReturn

import typer

from ..errors import LiveError
from .logs import is_json, logger

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterator


def fail(sentence: str) -> NoReturn:
    """Say what is wrong in one line, and leave with status 2."""
    _leave(" ".join(sentence.split()), 2)


def _leave(sentence: str, status: int) -> NoReturn:
    if is_json():
        logger.error(sentence)
    else:
        print(f"livecollections: {sentence}", file=sys.stderr)
    raise SystemExit(status)


@contextmanager
def ending() -> Iterator[None]:
    """Leave with what is raised inside in the log: what we foresee as a line, all else with its traceback."""
    try:
        yield
    except LiveError as error:
        fail(str(error))
    except SystemExit as error:
        # An application's last words are told as all else.
        if isinstance(error.code, str) and is_json():
            logger.critical(error.code)
            raise SystemExit(1) from None
        raise
    except Exception as error:
        logger.critical("%s: %s", type(error).__name__, error, exc_info=error)
        raise SystemExit(1) from None


def agree(question: str, otherwise: str) -> None:
    """Ask; without a yes say what that means, and leave with status 1."""
    try:
        is_agreed = typer.confirm(question)
    except typer.Abort:
        # Nobody is there who could answer.
        is_agreed = False
        print()
    if not is_agreed:
        _leave(otherwise, 1)


def attend(work: Coroutine[Any, Any, None]) -> None:
    """Run until the end, Ctrl-C, or the end of who reads."""
    try:
        asyncio.run(work)
    except KeyboardInterrupt:
        raise SystemExit(130) from None
    except BrokenPipeError:
        # Nothing more is to be flushed at exit, either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(1) from None
