"""Start: where the channels of a subscription begin, as its client asks, and what it is told of it.

Two rules. In one session a channel has one position, whatever patterns cover it. What a client asks from a
history that can't tell it is a *reset*, never silence: the names in ``reset`` begin now, and the client reads
anew what it holds of them.

A name in ``since`` is a channel, or a pattern with a seq that is for the channels of that one log; a client may
send all that it has, and what concerns the subscription counts. Where a pattern covers several logs, the answer
names a part of it for each. This module changes no session.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..cause import Cause
from ..change import epoch
from . import channel as channels
from .histories import Histories
from .history import History
from .positions import LONGEST_SEQ
from .session import Session


class Start:
    """Where a subscription begins.

    names: its channels and patterns.  asked: by channel or pattern, the seq that a client wants to go on after.
    told: by channel, the seq after which it begins, for those that begin where the client asked.
    causes: the channels and patterns that can't, in order, each with the reason.
    """

    def __init__(self, histories: Histories, names: Sequence[str], asked: Mapping[str, Any]) -> None:
        self.told: dict[str, str] = {}
        self.causes: dict[str, Cause] = {}
        self._histories = histories
        self._names = names
        self._all = frozenset(names)
        self._located: set[str] = set()
        wider = {wide for name in names for wide in channels.broader(name)}
        self._asked = {
            name: seq if isinstance(seq, str) and len(seq) <= LONGEST_SEQ else ""
            for name, seq in asked.items()
            if channels.is_valid(name) and (name in wider or self._is_inside(name))
        }
        causes = {name: self._why_unknown(name, seq) for name, seq in self._asked.items()}
        self._lost = {name: cause for name, cause in causes.items() if cause is not None}

    @property
    def reset(self) -> list[str]:
        """The channels and patterns that can't begin where the client asked."""
        return list(self.causes)

    def asked_at(self, name: str) -> str | None:
        """What the client said of the narrowest name that covers a channel or pattern."""
        return next((self._asked[near] for near in channels.broader(name) if near in self._asked), None)

    def _is_inside(self, name: str) -> bool:
        """Whether the subscription covers all that this name covers."""
        return not self._all.isdisjoint(channels.broader(name))

    async def locate(self) -> None:
        """Ask the histories what they can tell; ``settle`` what came into being meanwhile before you subscribe."""
        if not self._asked:
            return
        found = self._reset_names()
        patterns = {name for name in found if name.endswith("*")}
        exact = [name for name in self._asked if not name.endswith("*") and self._is_inside(name)]
        for channel in dict.fromkeys((*self._histories.known_under(self._names), *exact)):
            self._located.add(channel)
            history = self._histories.of(channel)
            if history is None:
                continue
            near = [name for name in channels.broader(channel) if name in self._asked]
            best = self._nearest(channel, history)
            cause: Cause | None = Cause.OTHER_EPOCH
            if best is not None:
                cause = self._lost.get(best) or await history.why_reset(channel, self._asked[best])
            if best is not None and cause is None:
                self.told[channel] = self._asked[best]
            elif cause is not None and (
                channel in self._asked
                or (
                    patterns.isdisjoint(channels.broader(channel))
                    and (
                        best is not None or any(name in self._lost or self._is_inside(name) for name in near)
                    )
                )
            ):
                found[channel] = cause
        self.causes = dict(sorted(found.items()))

    def _reset_names(self) -> dict[str, Cause]:
        """Of what the client named, and of the subscription's patterns, those of which nothing can be told."""
        alive = self._asked.keys() - self._lost.keys()
        found = {name: cause for name, cause in self._lost.items() if self._is_inside(name)}
        for name in self._names:
            wider = list(channels.broader(name))
            lost = [self._lost[near] for near in wider if near in self._lost]
            if lost and name.endswith("*") and name not in self._asked and alive.isdisjoint(wider):
                found[name] = lost[0]
        return found

    def names_exactly(self, channel: str) -> bool:
        """Whether the client said of this very channel where it is."""
        return channel in self._asked

    def settle(self) -> None:
        """Begin channels that came into being since they were located where the client asked, too."""
        for channel in self._histories.known_under(self._names) if self._asked else ():
            history = self._histories.of(channel)
            if channel in self._located or history is None:
                continue
            best = self._nearest(channel, history)
            if best is not None and best not in self._lost:
                self.told[channel] = self._asked[best]

    def _why_unknown(self, pattern: str, seq: str) -> Cause | None:
        """Why nothing can be told: there is no history, or no log below it is that of this seq and goes back so far."""
        if not pattern.endswith("*"):
            return None if self._histories.of(pattern) is not None else Cause.NO_HISTORY
        heads = [self._histories.head(channel) for channel in self._histories.fed_under(pattern)]
        keepers = [keeper for _, keeper in self._histories.kept_under(pattern)]
        if any(epoch(head) == epoch(seq) for head in heads) or any(one.can_tell(seq) for one in keepers):
            return None
        if not heads and not keepers:
            return Cause.NO_HISTORY
        if not seq:
            return Cause.NOT_A_SEQ
        is_ours = any(epoch(keeper.position()) == epoch(seq) for keeper in keepers)
        return Cause.CHANNEL_FORGOTTEN if is_ours else Cause.OTHER_EPOCH

    def _nearest(self, name: str, history: History) -> str | None:
        """Where the client says what it has of this channel, or of this log below this pattern."""
        of_log = epoch(history.position())
        for near in channels.broader(name):
            if near in self._asked and (not near.endswith("*") or epoch(self._asked[near]) == of_log):
                return near
        return None

    def give_up(self) -> None:
        """Tell nothing: it would be more channels than a session can be behind in."""
        self.told.clear()
        self._lost = dict.fromkeys(self._asked, Cause.TOO_MANY_CHANNELS)
        names = sorted(self._all | {name for name in self._asked if self._is_inside(name)})
        self.causes = dict.fromkeys(names, Cause.TOO_MANY_CHANNELS)

    # What the client is told.

    def seqs(self, session: Session) -> dict[str, str]:
        """By channel or pattern, where the subscription is now, for each log that it hears."""
        found: dict[str, str] = {}
        for name in self._names:
            if not name.endswith("*"):
                if self._histories.of(name) is not None:
                    found[name] = self._position(session, name)
                continue
            for part, history, known in self._logs(name):
                seq = self._seq_of(part, history)
                found[part] = seq
                found.update(
                    (channel, at) for channel in known if (at := self._position(session, channel, seq)) != seq
                )
        for name in self.reset:
            if not name.endswith("*") and self._histories.of(name) is not None:
                found.setdefault(name, self._position(session, name))
        return found

    def _seq_of(self, part: str, history: History) -> str:
        near = self._nearest(part, history)
        return history.position() if near is None or near in self._lost else self._asked[near]

    def _position(self, session: Session, channel: str, otherwise: str | None = None) -> str:
        head = self._histories.head(channel)
        position = session.positions.get(channel)
        if position is None or (position.is_idle and otherwise == head):
            return head
        # From another log a RESET leads here, and nothing else: who began there would ask again, and be set back again.
        return position.sent if epoch(position.sent) == epoch(head) else head

    def _logs(self, pattern: str) -> list[tuple[str, History, list[str]]]:
        """The logs below a pattern: what of it each is, its history, and the channels known."""
        fed = self._histories.fed_under(pattern)
        logs: list[tuple[str, History, list[str]]]
        logs = [(channel, self._histories.fed[channel], [channel]) for channel in fed]
        for part, keeper in self._histories.kept_under(pattern):
            known = [one for one in keeper.channels() if channels.matches(part, one)]
            logs.append((part, keeper, [one for one in known if self._histories.keeper(one) is keeper]))
        if len({epoch(history.position()) for _, history, _ in logs}) == 1:
            logs = [(pattern, logs[0][1], [one for _, _, known in logs for one in known])]
        return logs
