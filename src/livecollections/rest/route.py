"""Route: the path of a list, or of its documents, as a route of Starlette.

Two rules. A path is matched segment by segment, and a slash that is percent-encoded is part of one: ASGI's path does
not tell it from the others, its raw path does. A trailing slash is tolerated.
"""

from __future__ import annotations

import re
from urllib.parse import unquote

from starlette.routing import Match, Route
from starlette.types import ASGIApp, Scope

ALLOW = "live.allow"
"""Where the scope of what is asked at ``/search`` bears the methods that there are."""
_VALUE = re.compile(r"\\\{(\w+)\\\}")


class ResourceRoute(Route):
    """The route of a path in which ``{name}`` stands for a value. is_list: it ends with at most one slash."""

    def __init__(self, path: str, endpoint: ASGIApp, name: str, *, is_list: bool) -> None:
        super().__init__(path, endpoint, name=name, include_in_schema=False)
        self._is_list = is_list
        self._parts = [_part(segment) for segment in path.split("/")[1:]]

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Whether it serves a scope; the values are those that the segments are decoded to."""
        if scope["type"] != "http":
            return Match.NONE, {}
        segments = _segments(scope)
        if segments and not segments[-1]:
            segments.pop()
        while not self._is_list and segments and not segments[-1]:
            segments.pop()
        if len(segments) != len(self._parts):
            return Match.NONE, {}
        values = dict(scope.get("path_params", {}))
        for part, segment in zip(self._parts, segments, strict=True):
            if isinstance(part, str):
                if part != segment:
                    return Match.NONE, {}
            elif (found := part.fullmatch(segment)) is None:
                return Match.NONE, {}
            else:
                values.update(found.groupdict())
        return Match.FULL, {"endpoint": self.endpoint, "path_params": values}


def _part(segment: str) -> str | re.Pattern[str]:
    if "{" not in segment:
        return segment
    return re.compile(_VALUE.sub(r"(?P<\1>.+)", re.escape(segment)), re.DOTALL)


def _segments(scope: Scope) -> list[str]:
    """Those of a path below the place where the application is mounted, decoded."""
    whole: str = scope["path"]
    root: str = scope.get("root_path", "")
    below = whole.removeprefix(root)
    if below and not below.startswith("/"):
        root, below = "", whole
    raw = scope.get("raw_path", b"").partition(b"?")[0].decode("latin-1")
    if "%2f" in raw.lower():
        sent = [unquote(segment) for segment in raw.split("/")[1:]]
        # Whoever has given the request another path left this one as it was, and some servers leave out the root.
        if (told := "/" + "/".join(sent)) in (whole, below):
            return sent[root.count("/") if told == whole else 0 :]
    return below.split("/")[1:]
