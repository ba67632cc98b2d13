"""Outlets: the channels of a resource that somebody hears, where not all hear the same.

Two rules. Which of them a change concerns is looked up by the values of its row, however many there are: a row that
changes hands leaves one and comes to another. A channel that nobody hears costs nothing, and is published on by nobody.

It knows no log and no session.
"""

from __future__ import annotations

from collections.abc import Iterator

from .change import Change
from .partition import Segments
from .resource import Resource
from .view import Views, seen


class Outlet:
    """One channel that is heard. view: what is shown there.  last: the seq of what was published there last."""

    __slots__ = ("last", "segments", "view")

    def __init__(self, view: Resource, segments: Segments) -> None:
        self.view = view
        self.segments = segments
        self.last: str | None = None


class Outlets:
    """Those of one resource."""

    def __init__(self, views: Views) -> None:
        self.views = views
        self.source = views.resource.source.name
        self._by_channel: dict[str, Outlet] = {}
        self._by_segments: dict[Segments, dict[str, Outlet]] = {}

    def open(self, channel: str) -> None:
        """Somebody hears it from now on."""
        view = self.views.at(channel)
        if view is None or channel in self._by_channel:
            return
        segments = self.views.segments(view.given)
        assert segments is not None, "a view is of one partition"
        outlet = self._by_channel[channel] = Outlet(view, segments)
        self._by_segments.setdefault(segments, {})[channel] = outlet

    def close(self, channel: str) -> None:
        """Nobody hears it any more."""
        outlet = self._by_channel.pop(channel, None)
        if outlet is None:
            return
        several = self._by_segments[outlet.segments]
        del several[channel]
        if not several:
            del self._by_segments[outlet.segments]

    def restart(self, seq: str) -> None:
        """Something before ``seq`` is missing everywhere."""
        for outlet in self._by_channel.values():
            outlet.last = seq

    def told(self, change: Change) -> Iterator[tuple[Outlet, Change]]:
        """Where a change is heard, and as what."""
        for outlet in self._concerned(change):
            if (as_seen := seen(outlet.view, change)) is not None:
                yield outlet, as_seen

    def _concerned(self, change: Change) -> list[Outlet]:
        if change.method == "RESET":
            return [*self._by_channel.values()]
        partition, before = self.views.partition, change.before
        if partition is not None and before is not None and not before.keys() >= set(partition.attributes):
            return [*self._by_channel.values()]
        rows = (row for row in (change.before, change.after) if row is not None)
        places = dict.fromkeys(self.views.segments(row) for row in rows)
        return [
            outlet
            for segments in places
            if segments is not None
            for outlet in self._by_segments.get(segments, {}).values()
        ]
