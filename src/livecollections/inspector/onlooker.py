"""Onlooker: somebody who looks at a Live: what of a moment he is shown.

Three rules. A resource, a channel or a change that he may not list or hear is counted, and not named. How many changes
a resource had he is told where he sees them all: of a part nobody has counted them. Of a session he is told no clientId
and no user: its last six characters are what logs have, too.

It knows no request: whose it is stands in the session, which ends with his rights.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import orjson

from ..bayeux import channel as channels
from ..bayeux.policy import Policy
from ..bayeux.session import Session
from ..change import Change, Row
from ..details import SessionDetails
from ..errors import RequestError
from ..feed import message
from ..resource import Resource
from ..statistics import LiveStatistics
from ..view import Views, seen
from .description import describe, url_of
from .sample import Sample

logger = logging.getLogger("livecollections.inspector")

TRANSPORT = "inspector"
"""What the sessions of onlookers are called where sessions are counted."""
AGAIN = 60
"""Moments after which it is asked again which plain channels he may hear."""
LONGEST = 120
"""Characters of a value that are shown."""
MOST_FIELDS = 12
"""Fields of a change that are shown."""


class Onlooker:
    """One who looks.

    session: whose ``user`` it is.  views: of the resources.  policy: gives that of the Bayeux server, which other
    channels are asked of.
    """

    def __init__(self, session: Session, views: Sequence[Views], policy: Callable[[], Policy]) -> None:
        self._session = session
        self._views = views
        self._policy = policy
        self._plain: dict[str, bool] = {}
        self._moments = 0
        self._seq: str | None = None

    def resources(self) -> dict[str, Any]:
        """The resources that he may list, and how many others there are."""
        views = [self._guarded(self._listed, one) for one in self._views]
        shown = [describe(view) for view in views if view is not None]
        return {"resources": shown, "others": len(views) - len(shown)}

    def _listed(self, views: Views) -> Resource | None:
        partition = views.partition
        nested = partition is not None and partition.nested
        view = views.anywhere(self._session.user) if nested else views.of(self._session.user, {})
        return view if "list" in view.rights else None

    def _guarded(self, find: Callable[..., Resource | None], *arguments: Any) -> Resource | None:
        """A view, where it can be told: what can't be decided is refused."""
        try:
            return find(*arguments)
        except RequestError:
            return None
        except Exception:
            logger.exception("what session …%s may see could not be told", self._session.id[-6:])
            return None

    # A moment

    async def moment(self, sample: Sample) -> dict[str, Any]:
        """What there is now."""
        if self._moments % AGAIN == 0:
            self._plain.clear()
        self._moments += 1
        statistics, details = sample.statistics, sample.details
        changes = self._counted(statistics.changes)
        heard = {name: count for name, count in details.channels.items() if await self._hears(name)}
        return {
            **_figures(statistics),
            "changes": changes,
            "changed": sum(count for count in changes.values() if count is not None),
            "channels": heard,
            "others": statistics.bayeux.channels - len(heard),
            "sessions": [_session(each) for each in details.sessions if each.transport != TRANSPORT],
        }

    def _counted(self, changes: Mapping[str, int]) -> dict[str, int | None]:
        """How many changes the resources had that he may list; None where he sees a part of them."""
        found: dict[str, int | None] = {}
        for one in self._views:
            view = self._guarded(self._listed, one)
            if view is not None:
                found[view.path] = changes.get(view.path, 0) if _is_whole(one, view) else None
        return found

    async def _hears(self, name: str) -> bool:
        for views in self._views:
            if views.has(name):
                view = self._heard(views, name)
                return view is not None and view.channel == name
        if name not in self._plain:
            self._plain[name] = await self._may_subscribe(name)
        return self._plain[name]

    async def _may_subscribe(self, name: str) -> bool:
        policy = self._policy()
        asked = policy.can_subscribe_pattern if channels.is_pattern(name) else policy.can_subscribe
        try:
            return await asked(self._session, name)
        except Exception:
            logger.exception(
                "whether session …%s may hear %.80r could not be told", self._session.id[-6:], name
            )
            return False

    def _heard(self, views: Views, channel: str) -> Resource | None:
        view = self._guarded(views.heard, self._session.user, channel)
        return view if view is not None and "subscribe" in view.rights else None

    # Changes

    def changes(self, sample: Sample) -> list[dict[str, Any]]:
        """Those among the last that he may hear and was not shown before, in order."""
        after, self._seq = self._seq, sample.statistics.seq
        fresh = [
            change
            for change in sample.changes
            if after is None or change.seq > after or change.seq[:8] != after[:8]
        ]
        return [told for change in fresh if (told := self._told(change)) is not None]

    def _told(self, change: Change) -> dict[str, Any] | None:
        for views in self._views:
            if views.resource.source.name != change.source:
                continue
            for view in self._concerned(views, change):
                if (as_seen := seen(view, change)) is not None:
                    return _shown(view, as_seen)
        return None

    def _concerned(self, views: Views, change: Change) -> Iterator[Resource]:
        if views.partition is None:
            found = [self._heard(views, views.resource.channel)]
        elif change.method == "RESET":
            found = [self._guarded(self._listed, views)]
        else:
            rows = (row for row in (change.after, change.before) if row is not None)
            places = dict.fromkeys(views.segments(row) for row in rows)
            found = [
                self._heard(views, views.resource.channel.format(*segments))
                for segments in places
                if segments is not None
            ]
        yield from (view for view in found if view is not None)


def _figures(statistics: LiveStatistics) -> dict[str, Any]:
    bayeux, log = statistics.bayeux, statistics.log
    return {
        "at": statistics.at,
        "uptime": statistics.uptime,
        "problems": [each.value for each in statistics.problems],
        "seq": statistics.seq,
        "lag": {"changes": statistics.lag_changes, "seconds": statistics.lag_seconds},
        "log": None if log is None else {"entries": log.entries, "bytes": log.bytes, "age": log.age},
        "transports": {name: count for name, count in bayeux.sessions.items() if name != TRANSPORT},
        "subscriptions": bayeux.subscriptions,
        "delivered": bayeux.delivered,
        "waiting": bayeux.queued_bytes + bayeux.buffered_bytes,
        "stopped": bayeux.stopped,
    }


def _is_whole(views: Views, view: Resource) -> bool:
    """Whether its user may hear every change of the resource."""
    is_part = views.partition is not None and views.partition.by is not None
    return "subscribe" in view.rights and not view.hidden and not is_part


def _session(details: SessionDetails) -> dict[str, Any]:
    return {**asdict(details), "subscriptions": len(details.subscriptions)}


def _shown(view: Resource, change: Change) -> dict[str, Any]:
    """A change as it is listed: what it was of, and the fields that tell most."""
    told = {
        "seq": change.seq,
        "method": change.method,
        "path": view.path,
        "url": url_of(view.path),
        "at": change.at,
    }
    if change.method == "RESET":
        return {**told, "cause": None if change.cause is None else change.cause.value}
    body: Mapping[str, Any] = message(view, change, None)["body"]
    row = change.before if change.after is None else change.after
    assert row is not None, "what is no RESET shows a row"
    before = _before(view, change) if change.method == "PUT" else {}
    named = {view.name_of(attribute) for attribute in view.address}
    fields = {
        name: [_brief(before[name]), _brief(value)] if name in before else [_brief(value)]
        for name, value in body.items()
        if name not in named and (name not in before or before[name] != value)
    }
    key = view.format_address(row) if row.keys() >= set(view.address) else None
    few = dict([*fields.items()][:MOST_FIELDS])
    return {**told, "key": key, "origin": change.origin, "fields": few, "more": len(fields) - len(few)}


def _before(view: Resource, change: Change) -> dict[str, Any]:
    row: Row | None = change.before
    return {} if row is None or len(row) == len(change.key) else view.document(row)


def _brief(value: Any) -> str:
    text = orjson.dumps(value).decode()
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"
