"""What was given to the transport of a session, told to the log of the process: the last step of a change here.

It reads a session's clientId and transport, and changes nothing.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from functools import partial
from typing import TYPE_CHECKING

from .. import step
from .message import Message

if TYPE_CHECKING:
    from .session import Session

logger = logging.getLogger("livecollections.bayeux")

is_told = partial(logger.isEnabledFor, logging.DEBUG)
"""Whether it is told at all. Ask before: of what is sent there is much."""


def tell_sent(session: Session, messages: Iterable[Message]) -> None:
    """Tell of messages that bear a seq."""
    for message in messages:
        if message.seq is not None:
            told = {"channel": message.channel, "session": session.id[-6:], "transport": session.transport}
            step.tell(logger, "sent", message.seq, **told)
