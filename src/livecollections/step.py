"""A step of a change on its way, in the log of the process: one line at DEBUG, in the same form at each step.

``grep <seq>`` shows the whole way: committed, read, published, sent; heard by a listener, posted by a webhook. What
a line says is also in the record's extras, under the same names. It tells no document, no token, and of a session the
last six digits only.

Whoever tells steps of many asks ``is_told`` once for all of them.
"""

from __future__ import annotations

import logging


def is_told(logger: logging.Logger) -> bool:
    """Whether steps are told at all."""
    return logger.isEnabledFor(logging.DEBUG)


def tell(logger: logging.Logger, step: str, seq: str, **facts: object) -> None:
    """Tell a step: ``published seq=… channel=/api/todos receivers=2``."""
    told = {"seq": seq, **facts}
    form = " ".join((step, *(f"{name}=%s" for name in told)))
    logger.debug(form, *told.values(), extra=told, stacklevel=2)
