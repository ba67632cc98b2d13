"""What Python tells on stderr of its own accord, where nobody has said how: told as the program tells the rest.

Two rules. No logger is given a handler, so that what an application configures, were it by ``logging.basicConfig``,
is heard as ever, and nothing is told twice. Whoever sets such a hook later has it.
"""

from __future__ import annotations

import logging
import sys
import threading
import warnings
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sys import UnraisableHookArgs


def install(handler: logging.Handler) -> None:
    """Have a handler tell what loggers without one tell, warnings, and what nobody can catch."""
    logging.lastResort = handler
    warnings.showwarning = _tell_warning
    threading.excepthook = _tell_thread
    sys.unraisablehook = _tell_unraisable


def _tell_warning(
    message: Warning | str, category: type[Warning], filename: str, lineno: int, *_: Any, **__: Any
) -> None:
    # logging.captureWarnings would give its logger a handler that tells nothing.
    logging.getLogger("py.warnings").warning("%s:%d: %s: %s", filename, lineno, category.__name__, message)


def _tell_thread(raised: threading.ExceptHookArgs) -> None:
    if raised.exc_type is not SystemExit:
        name = "" if raised.thread is None else raised.thread.name
        logging.getLogger("py.threads").error("exception in thread %s", name, exc_info=raised.exc_value)


def _tell_unraisable(raised: UnraisableHookArgs) -> None:
    said = raised.err_msg or "exception ignored in"
    logging.getLogger("py.unraisable").error("%s: %r", said, raised.object, exc_info=raised.exc_value)
