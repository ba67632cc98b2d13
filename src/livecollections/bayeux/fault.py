"""Faults: what an application's code raises is logged here, and a client hears nothing of it but an id.

The id stands in the log and in the reply, so one leads to the other.
"""

from __future__ import annotations

import asyncio
import logging
import secrets

from ..errors import BayeuxError
from . import message as messages

logger = logging.getLogger("livecollections.bayeux")

FAULTS = (Exception, asyncio.CancelledError)
"""What an application's code may raise: also that something was cancelled which it awaited."""


def let_end(error: BaseException) -> None:
    """Raise it again if the task that runs here is to end: then it is no fault."""
    task = asyncio.current_task()
    if isinstance(error, asyncio.CancelledError) and task is not None and task.cancelling():
        raise error


def logged(what: str, *arguments: object) -> BayeuxError:
    """Log the exception that is being handled; returns what its client may hear: ``500:<id>:Internal server error``.

    Args:
        what: what failed, as ``logging`` has it, with its arguments.
    """
    id_ = secrets.token_hex(4)
    logger.exception(f"{what} (error %s)", *arguments, id_, extra={"error_id": id_})
    return messages.server_error(id_)
