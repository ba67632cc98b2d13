"""Faults: what an application's code raises is logged here, and a client hears nothing of it but an id.

The id stands in the log and in the reply, so one leads to the other.
"""

from __future__ import annotations

import logging
import secrets

from ..errors import BayeuxError
from . import message as messages

logger = logging.getLogger("livecollections.bayeux")


def logged(what: str, *arguments: object) -> BayeuxError:
    """Log the exception that is being handled; returns what its client may hear: ``500:<id>:Internal server error``.

    Args:
        what: what failed, as ``logging`` has it, with its arguments.
    """
    id_ = secrets.token_hex(4)
    logger.exception(f"{what} (error %s)", *arguments, id_, extra={"error_id": id_})
    return messages.server_error(id_)
