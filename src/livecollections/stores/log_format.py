"""The format of the log in a database, by number: which this version writes, and which it refuses.

Two rules. The number rises with what an older version could not read, or would spoil; a table or an index more leaves
it as it is. Triggers of another version that nobody has touched have missed nothing: they are replaced without a RESET.
This module knows no database.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ..errors import ConfigurationError
from ..version import __version__

FORMAT = 1
KNOWN_SINCE = "0.1.0"
"""The first version that knows this format; a change of FORMAT changes it."""
NAME = "format"
"""What the log calls it among what it remembers."""
EARLIER = "it is of an earlier format, or lacks a table"
"""What is said of a log that has to be brought up to date."""

ENTRY: Mapping[str, Any] = {"format": FORMAT, "since": KNOWN_SINCE}
"""What a log remembers of its format."""


def stored() -> str:
    """The same as text."""
    return json.dumps(ENTRY)


def is_present(told: str | None) -> bool:
    """Whether a log is of this format by what it remembers; None is older than all numbers.

    Raises ConfigurationError for a newer one.
    """
    return told is not None and is_entry_present(json.loads(told))


def is_entry_present(told: Mapping[str, Any]) -> bool:
    """The same where it is remembered as an object."""
    if told["format"] > FORMAT:
        raise ConfigurationError(
            f"the change log of this database has format {told['format']}, which livecollections {told['since']} and "
            f"newer know; this is {__version__}, which knows format {FORMAT}. Install {told['since']} or newer, or "
            "have that version take the log away (`livecollections uninstall DATABASE_URL`)"
        )
    return bool(told["format"] == FORMAT)
