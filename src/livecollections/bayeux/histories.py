"""Histories: which channels can tell what was said on them, and where each of them is.

Three rules. A channel is *fed* (a resource: its history is written elsewhere, and clients never publish on it) or
*kept* (a plain channel: publishing on it writes its history), or it has no history. What is kept is declared by
pattern, the nearest one counts, and a fed channel is never kept. Channels come into being by being published on.

It knows no session.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType

from ..change import epoch, follows, is_after
from . import channel as channels
from .history import Family, History, Keeper, Page
from .message import Message

REMEMBERED = 4_096
"""Names of which it is remembered what keeps them; clients name as many as they like."""


class Histories:
    """The channels that have a history."""

    def __init__(self) -> None:
        self._fed: dict[str, History] = {}
        self._families: list[Family] = []
        self._keepers: dict[str, Keeper | None] = {}
        self._published: dict[str, str] = {}
        self._found: dict[str, Keeper | None] = {}

    @property
    def fed(self) -> Mapping[str, History]:
        """The channels on which only their feed publishes."""
        return MappingProxyType(self._fed)

    def is_fed(self, channel: str) -> bool:
        """Whether only its feed publishes on a channel."""
        return channel in self._fed or self.family(channel) is not None

    def family(self, channel: str) -> Family | None:
        """The family that a channel is of."""
        return next((family for family in self._families if family.has(channel)), None)

    def is_guarded(self, pattern: str) -> bool:
        """Whether a pattern covers a channel of a family."""
        return any(family.is_met(pattern) for family in self._families)

    def add_family(self, family: Family) -> None:
        """Make all channels of a family fed ones."""
        self._families.append(family)
        self._found.clear()

    def remove_family(self, family: Family) -> None:
        """Make them plain ones again."""
        self._families.remove(family)
        self._found.clear()

    def open(self, channel: str) -> None:
        """Somebody hears a channel from now on."""
        if self._families and (family := self.family(channel)) is not None:
            family.open(channel)

    def close(self, channel: str) -> None:
        """Nobody hears it any more."""
        if self._families and (family := self.family(channel)) is not None:
            family.close(channel)
            self._published.pop(channel, None)

    def add(self, channel: str, history: History) -> None:
        """Make a channel a fed one."""
        self._fed[channel] = history

    def remove(self, channel: str) -> None:
        """Make it a plain one again."""
        self._fed.pop(channel, None)
        self._published.pop(channel, None)

    def keep(self, pattern: str, keeper: Keeper | None) -> None:
        """Have what is published on a channel, or on all that a pattern covers, kept; None: not kept."""
        self._keepers[pattern] = keeper
        self._found.clear()

    def clear(self) -> None:
        """Forget what was published: the histories know."""
        self._published.clear()

    # One channel.

    def of(self, channel: str) -> History | None:
        """The history of a channel, by its exact name."""
        family = self.family(channel)
        return family.history if family is not None else self._fed.get(channel) or self.keeper(channel)

    def keeper(self, channel: str) -> Keeper | None:
        """What keeps the messages of a channel, if it is a plain one with a history."""
        if not self._keepers or channel in self._fed:
            return None
        try:
            return self._found[channel]
        except KeyError:
            return self._find(channel)

    def _find(self, channel: str) -> Keeper | None:
        is_other = (
            channel.endswith("*")
            or channels.is_service(channel)
            or channels.is_meta(channel)
            or self.family(channel) is not None
        )
        found = None if is_other else self._declared(channel)
        if len(self._found) >= REMEMBERED:
            self._found.clear()
        self._found[channel] = found
        return found

    def _declared(self, name: str) -> Keeper | None:
        return next((self._keepers[near] for near in channels.broader(name) if near in self._keepers), None)

    def head(self, channel: str) -> str:
        """The seq up to which everything of the channel has been given to its receivers."""
        history = self.of(channel)
        assert history is not None, "only channels with a history have a head"
        position = history.position()
        published = self._published.get(channel, position)
        return (
            published if epoch(published) == epoch(position) and is_after(published, position) else position
        )

    def last(self, channel: str) -> str:
        """The seq that everything of the channel is at or below."""
        keeper = self.keeper(channel)
        return keeper.last(channel) if keeper is not None else self.head(channel)

    def publish(self, message: Message) -> tuple[Message, str | None]:
        """The message as it goes out, and where a receiver that has heard all of a kept channel is before it."""
        if message.seq is not None:
            self._published[message.channel] = message.seq
            return message, None
        keeper = self.keeper(message.channel)
        if keeper is None:
            return message, None
        before = keeper.last(message.channel)
        return keeper.keep(message), before

    def is_whole(self, channel: str, page: Page, position: str) -> bool:
        """Whether a receiver at this position, who read that page last, has all that was published."""
        keeper = self.keeper(channel)
        if keeper is not None:
            return not follows(keeper.last(channel), position)
        published = self._published.get(channel)
        if published is not None:
            return not follows(published, position)
        history = self.of(channel)
        return history is None or not page.messages or not follows(history.position(), position)

    # Several.

    def fed_under(self, name: str) -> list[str]:
        """The fed channels that a name or pattern covers."""
        if not name.endswith("*"):
            return [name] if self.is_fed(name) else []
        return [channel for channel in self._fed if channels.matches(name, channel)]

    def kept_under(self, name: str) -> Iterator[tuple[str, Keeper]]:
        """What keeps messages of what a name or pattern covers, each with the part of it that it keeps."""
        for pattern, keeper in self._keepers.items():
            if keeper is not None and pattern != name and name in channels.broader(pattern):
                yield pattern, keeper
        whole = self._declared(name) if name.endswith("*") else self.keeper(name)
        if whole is not None:
            yield name, whole

    def known_under(self, names: Iterable[str]) -> list[str]:
        """The channels with a history of which something is known, that these names and patterns cover."""
        wanted = dict.fromkeys(names)
        kept = [one for name in wanted if name.endswith("*") for one in self.kept_under(name)]
        found = [one for one in self._fed if not wanted.keys().isdisjoint(channels.expand(one))]
        found += [name for name in wanted if self.keeper(name) is not None or self.family(name) is not None]
        for keeper in dict.fromkeys(keeper for _, keeper in kept):
            found += [
                channel
                for channel in keeper.channels()
                if self.keeper(channel) is keeper and not wanted.keys().isdisjoint(channels.expand(channel))
            ]
        return list(dict.fromkeys(found))
