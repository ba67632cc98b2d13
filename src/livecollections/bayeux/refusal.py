"""Refusals as a client reads them: in Faye's form, or in whatever words a server has.

Servers differ in their words; where a client has to know what is meant, those of Faye and CometD are known here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ..errors import BayeuxError

_FORM = re.compile(r"(\d{3}):([^:]*):(.*)", re.DOTALL)


def read_error(reply: Mapping[str, Any]) -> BayeuxError:
    """The error that a reply tells, in Faye's form or any other."""
    told = reply.get("error")
    found = _FORM.fullmatch(told) if isinstance(told, str) else None
    if found is None:
        return BayeuxError(0, [], told if isinstance(told, str) and told else "The server refuses this")
    code, arguments, text = found.groups()
    return BayeuxError(int(code), arguments.split(",") if arguments else [], text)


def read_failure(answer: Mapping[str, Any]) -> BayeuxError:
    """The error with which a service answers a call: its data are the error, or have it."""
    data = answer.get("data")
    told = data.get("error") if isinstance(data, dict) else data
    return read_error({"error": told} if isinstance(told, str) else answer)


def is_unknown_session(error: BayeuxError) -> bool:
    """Whether it says that the clientId is known no more, in the words of Faye or of CometD, new or old."""
    return error.code in (401, 402, 403) and error.text in ("Unknown client", "session_unknown")


def is_too_large(answer: Any) -> bool:
    """Whether it says that what was sent has too many bytes, without saying of what it speaks."""
    is_refusal = isinstance(answer, dict) and answer.get("successful") is False and "id" not in answer
    return is_refusal and read_error(answer).code == 413
