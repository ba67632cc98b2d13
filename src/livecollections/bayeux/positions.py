"""Positions: where sessions are on channels with a history, and what a client's own say that it lacks.

Three rules. In one session a channel has one position, whatever patterns cover it; only its exact name sets it
back. A session that has been sent everything of a kept channel needs no position on it. What a client lacks is
sent again, or it hears that it can't be.

It changes sessions and knows no message; which channels have a history, ``histories.py`` knows.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any

from ..change import epoch, follows, number
from . import channel as channels
from .histories import Histories
from .history import Keeper
from .position import Position
from .session import Session

LONGEST_SEQ = 64
NO_STARTS: Mapping[str, str] = MappingProxyType({})


class Positions:
    """Those of all sessions.

    most: how many a session may have, beside those of fed channels, before those that say nothing are dropped, and be
        behind in before it ends; what it subscribed to itself may always be.
    """

    def __init__(self, histories: Histories, most: int) -> None:
        self._histories = histories
        self._most = most

    @staticmethod
    def receives(session: Session, channel: str) -> bool:
        """Whether the session subscribed to it, or to a pattern that covers it."""
        return any(name in session.subscriptions for name in channels.expand(channel))

    def is_too_far_behind(
        self, session: Session, starts: Mapping[str, str] = NO_STARTS, names: Iterable[str] = ()
    ) -> bool:
        """Whether it is behind in more channels than it may be.

        Args:
            starts: by channel, where it would begin.  names: what it would subscribe to for that.
        """
        if session.lag <= self._most and not starts:
            return False
        late = (channel for channel, seq in starts.items() if follows(self._histories.last(channel), seq))
        behind = {*session.behind(), *late}
        return len(behind) > self._most and len(behind) > len({*session.subscriptions, *names})

    # Subscriptions.

    def begin(self, session: Session, name: str, starts: Mapping[str, str]) -> None:
        """The session is about to subscribe to a channel or pattern.

        Args:
            starts: by channels with a history, the seq after which each begins. What is received already stays
                where it is, but for a channel that is named exactly: that goes back.
        """
        wanted = [channel for channel in starts if channels.matches(name, channel)]
        for channel in dict.fromkeys((*self._histories.fed_under(name), *self._kept(name), *wanted)):
            self._begin(session, channel, starts.get(channel), may_go_back=channel == name)

    def _kept(self, name: str) -> tuple[str, ...]:
        # Of what a pattern covers, positions are made when there is something to receive.
        return (name,) if not name.endswith("*") and self._histories.keeper(name) is not None else ()

    def _begin(self, session: Session, channel: str, since: str | None, *, may_go_back: bool) -> None:
        head = self._histories.head(channel)
        if not self.receives(session, channel):
            position = self._watch(session, channel, head if since is None else since)
        else:
            position = self._of(session, channel)
            if since is not None and may_go_back:
                session.set_back(position, since)
        if since is not None and position.queued == since and follows(head, since):
            session.fall_behind(position)

    def meet(self, session: Session, channel: str, before: str) -> None:
        """A message comes on a kept channel on which the session has no position: it is at ``before``."""
        self._watch(session, channel, before)

    def _watch(self, session: Session, channel: str, seq: str) -> Position:
        # Nobody would make those of fed channels again: their feed does not say where a receiver was before.
        fed = self._histories.fed
        if len(session.positions) >= self._most + len(fed):
            session.drop_idle(fed)
        return session.watch(channel, seq)

    def _of(self, session: Session, channel: str) -> Position:
        position = session.positions.get(channel)
        return position or self._watch(session, channel, self._sent(session, channel))

    def _sent(self, session: Session, channel: str) -> str:
        position = session.positions.get(channel)
        return position.sent if position is not None else self._histories.last(channel)

    # Connects.

    def recall(self, session: Session, at: Any) -> dict[str, Any]:
        """Send again what a client lacks; returns what it is told.

        Args:
            at: by channel or pattern, where the client says it is; anything may come. The narrowest name that
                is of a channel's log counts.

        Returns:
            last: by channel, the last seq that was sent of what is sent again.
            reset: the patterns below which a channel was forgotten altogether of which the client may lack
                something.
        """
        asked = _checked(at)
        last: dict[str, str] = {}
        reset = []
        logs: dict[str, Keeper] = {}
        for name, seq in asked.items():
            if not name.endswith("*"):
                self._skip(session, name, seq)
                self._set_back(session, name, seq, last)
            elif (keeper := self._keeper(name, seq)) is not None:
                logs[epoch(seq)] = keeper
                if not keeper.can_tell(seq):
                    reset.append(name)
        if any(name.endswith("*") for name in asked):
            for channel, log in self._known(session, logs).items():
                near = self._nearest(asked, channel, log)
                if near is not None and near != channel:
                    self._set_back(session, channel, asked[near], last)
        return {key: found for key, found in (("last", last), ("reset", reset)) if found}

    def reached(self, session: Session, at: Any) -> dict[str, str]:
        """By the client's own patterns, up to where it has been sent everything that they cover, if that is further."""
        found = {}
        floors: dict[str, str] = {}
        for name, seq in _checked(at).items():
            keeper = self._keeper(name, seq) if name.endswith("*") else None
            if keeper is None:
                continue
            log = epoch(seq)
            if log not in floors:
                floors[log] = self._floor(session, keeper)
            if floors[log] > seq:
                found[name] = floors[log]
        return found

    @staticmethod
    def _skip(session: Session, channel: str, seq: str) -> None:
        """What is to be read for a client it may have from elsewhere, as from a list: that is not told again."""
        position = session.positions.get(channel)
        if position is not None and epoch(seq) == epoch(position.queued):
            session.skip_to(position, seq)

    def _set_back(self, session: Session, channel: str, seq: str, last: dict[str, str]) -> None:
        is_met = channel in session.positions
        if not is_met and (self._histories.of(channel) is None or not self.receives(session, channel)):
            return
        sent = self._sent(session, channel)
        if follows(sent, seq):
            session.set_back(self._of(session, channel), seq)
            last[channel] = sent

    def _keeper(self, pattern: str, seq: str) -> Keeper | None:
        """What keeps messages of this log below a pattern."""
        kept = self._histories.kept_under(pattern)
        return next((keeper for _, keeper in kept if epoch(keeper.position()) == epoch(seq)), None)

    @staticmethod
    def _known(session: Session, logs: Mapping[str, Keeper]) -> dict[str, str]:
        """The channels on which the session may have been sent something, and the log of each."""
        kept = {channel: log for log, keeper in logs.items() for channel in keeper.channels()}
        return kept | {channel: epoch(position.sent) for channel, position in session.positions.items()}

    @staticmethod
    def _nearest(asked: Mapping[str, str], channel: str, log: str) -> str | None:
        for near in channels.broader(channel):
            if near in asked and (near == channel or epoch(asked[near]) == log):
                return near
        return None

    @staticmethod
    def _floor(session: Session, keeper: Keeper) -> str:
        """The seq up to which the session has been sent everything of a log."""
        head = keeper.position()
        waiting = [keeper.seq(number(seq) - 1) for seq in session.waiting(epoch(head))]
        return min([head, *waiting, *session.floors(epoch(head))])


def _checked(at: Any) -> dict[str, str]:
    if not isinstance(at, dict):
        return {}
    return {
        name: seq
        for name, seq in at.items()
        if isinstance(seq, str) and 0 < len(seq) <= LONGEST_SEQ and channels.is_valid(name)
    }
