"""Vitals: ``/live/health`` for who decides where requests go, and ``/live/metrics`` for who keeps figures.

Two rules. Both are answered from one LiveStatistics, at once, whatever the database does. Health is for anybody: it
says figures, numbers of transactions, and no name that somebody gave; metrics are served where they are asked for, and
where users are known, to them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp

from . import rest
from .metrics import exposition
from .rest.caller import Caller
from .statistics import LiveStatistics
from .status import Reading
from .stores.log_state import LogState, OpenGap
from .version import __version__

HEADERS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}


def routes(prefix: str, statistics: Callable[[], LiveStatistics], metrics: Caller | None) -> list[BaseRoute]:
    """The routes under ``<prefix>/live``; metrics: who knows to whom they are told; None: to nobody."""

    async def health(request: Request) -> Response:
        told = statistics()
        return JSONResponse(health_of(told), 503 if told.problems else 200, headers=HEADERS)

    async def figures(request: Request) -> ASGIApp:
        assert metrics is not None, "there is no such route without"
        if metrics.knows_users and await metrics.user_of(request.scope) is None:
            return rest.problem(401, "Unauthorized", "figures are for those who are known")
        text, kind = exposition(statistics(), request.headers.get("accept", ""))
        return Response(text, headers={**HEADERS, "Content-Type": kind})

    found = [Route(f"{prefix}/live/health", Reading(health))]
    return [*found, Route(f"{prefix}/live/metrics", Reading(figures))] if metrics is not None else [*found]


def health_of(told: LiveStatistics) -> dict[str, Any]:
    """What anybody may be told of the health of a Live."""
    return {
        "status": "failing" if told.problems else "ok",
        "problems": [each.value for each in told.problems],
        "version": __version__,
        "seq": told.seq,
        "uptime": round(told.uptime, 1),
        "lag": {"changes": told.lag_changes, "seconds": round(told.lag_seconds, 1)},
        "database": {"silence": round(told.silence, 1)},
        "log": None if told.log is None else _log(told.log),
    }


def _log(log: LogState) -> dict[str, Any]:
    return {
        "entries": log.entries,
        "bytes": log.bytes,
        "age": None if log.age is None else round(log.age),
        "uncaptured": len(log.missing),
        "gap": None if log.gap is None else _gap(log.gap),
    }


def _gap(gap: OpenGap) -> dict[str, Any]:
    holders = [
        {"xid": each.xid, "pid": each.pid, "state": each.state, "seconds": _rounded(each.seconds)}
        for each in gap.holders
    ]
    places = gap.last - gap.first + 1
    return {"places": places, "seconds": round(gap.seconds, 1), "passed": gap.is_passed, "holders": holders}


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 1)
