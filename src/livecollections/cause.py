"""Cause: why a receiver can't be told the rest change by change, and has to read again.

One rule: every reset has one of these, from where it arises to where it is told, so that it can be counted and
looked up. It is no part of the wire. This module knows no log and no session.
"""

from __future__ import annotations

from enum import StrEnum


class Cause(StrEnum):
    """Why there is a reset."""

    # A receiver's place can't be told from.
    NOT_A_SEQ = "not-a-seq"
    """It has not the form of a seq."""
    NO_HISTORY = "no-history"
    """Nothing is kept of that channel, or of any below that pattern."""
    OTHER_EPOCH = "other-epoch"
    """It is of another log: another database, a new epoch, or a history that ended with its process."""
    OTHER_CHECK = "other-check"
    """Another entry stands there: the log went back in time, and has grown again."""
    BEYOND_END = "beyond-end"
    """The log does not go so far: it went back in time."""
    NO_ENTRY = "no-entry"
    """There is no entry, though there are some before and after it."""
    TRIMMED = "trimmed"
    """What came after it is kept no longer."""
    TRIMMED_IN_REPLAY = "trimmed-in-replay"
    """What came after it went while the receiver was being told."""
    CHANNEL_FORGOTTEN = "channel-forgotten"
    """A channel below that pattern was forgotten altogether since then."""
    TOO_MANY_CHANNELS = "too-many-channels"
    """The session would be behind in more channels than it may be."""

    VIEW_CHANGED = "view-changed"
    """Its user sees other documents or fields than when it was there."""

    # An entry of the log says so.
    BACKLOG = "backlog"
    """Too many changes of one source were waiting at once."""
    CAPTURE_REINSTALLED = "capture-reinstalled"
    """Triggers were missing, or not as they should be."""
    COLUMNS_CHANGED = "columns-changed"
    """The log keeps other columns than before."""
    TABLE_GONE = "table-gone"
    """The table was dropped."""
    TABLE_REBUILT = "table-rebuilt"
    """The table had gone, and is there again."""
    TRUNCATED = "truncated"
    """The table was emptied by TRUNCATE."""
    CAPTURE_FAILED = "capture-failed"
    """A trigger could not read what was written: the table had just been altered, or hides its rows from us."""
    FILLED_LATE = "filled-late"
    """An entry appeared after those behind it had been told: its transaction had stayed open for too long."""
    UNDECODABLE = "undecodable"
    """An entry can't be read back."""
    REQUESTED = "requested"
    """The program asked for it."""
    UNKNOWN = "unknown"
    """Another version wrote the entry, and did not say."""

    @classmethod
    def stored(cls, text: str | None) -> Cause:
        """The one that an entry bears; UNKNOWN for what this version does not know."""
        try:
            return cls(text or cls.UNKNOWN)
        except ValueError:
            return cls.UNKNOWN
