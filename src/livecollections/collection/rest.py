"""Rest: a resource's HTTP as a collection asks it, and what its answers and refusals are in Python.

Two rules. A refusal is an error of ours that holds what the server's problem (RFC 9457) says. Whether a request may
have been obeyed is told apart: ``Unreachable`` never left, ``Unconfirmed`` may have been.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import urlencode

import httpx
import orjson

from ..bayeux.ways import ask_headers, said
from ..errors import (
    ClientClosed,
    ConfigurationError,
    Conflict,
    DocumentNotFound,
    InvalidDocument,
    MalformedRequest,
    RequestError,
    RequestRefused,
    TooLarge,
    Unconfirmed,
    Unreachable,
    UnsupportedMediaType,
)
from .reading import Page, Reading
from .state import Document
from .write import Write

Headers = Mapping[str, str]
VERBS = {"create": "POST", "update": "PATCH", "replace": "PUT", "delete": "DELETE"}

_SEVERAL = re.compile(", *")
_NEXT = re.compile(r'<([^>]*)>[^,]*;\s*rel="?next\b')
MOST_ASKED = 20
"""Creates of which one list is asked whether they were done."""
_ERRORS: Mapping[int, type[RequestError]] = {
    400: MalformedRequest,
    404: DocumentNotFound,
    409: Conflict,
    413: TooLarge,
    415: UnsupportedMediaType,
    422: InvalidDocument,
}


@dataclass(frozen=True, slots=True)
class Answer:
    """What a request has come to. body: None for an empty one.  seq: ``Live-Seq``.  refusal: None if it was obeyed."""

    status: int
    body: Any
    seq: str | None
    headers: Mapping[str, str]
    refusal: RequestError | None = None


class Rest:
    """The requests of one resource.

    http: with the server's address.  path: of the list.  query: that defines the collection.
    headers: of each request, or a function that gives them.
    """

    def __init__(
        self,
        http: httpx.AsyncClient,
        path: str,
        query: Mapping[str, str],
        headers: Headers | Callable[[], Headers | Awaitable[Headers]],
    ) -> None:
        self._http = http
        self._path = path
        self._query = query
        self._headers = headers

    async def read(self, reading: Reading) -> None:
        """Read a list: all pages of one that the server has cut, and not its own ``limit``.

        Raises RequestError, Unreachable, Unconfirmed.
        """
        query = {**self._query, **(reading.query or {})}
        url: str | None = self._path + (f"?{urlencode(query)}" if query else "")
        headers = {"Live-Origin": ", ".join(reading.asked[-MOST_ASKED:])} if reading.asked else {}
        asked: set[str] = set()
        while url is not None:
            asked.add(url)
            answer = await self._ask("GET", url, headers=headers)
            if answer.refusal is not None:
                raise answer.refusal
            if not isinstance(answer.body, list) or not all(isinstance(row, dict) for row in answer.body):
                raise Unconfirmed(f"GET {url}", "the answer is no list of documents")
            if not reading.pages:
                whole, signal = answer.headers.get("live-channel"), answer.headers.get("live-signal", "")
                channel, *beside = _SEVERAL.split(whole or signal)
                reading.channel, reading.beside = channel or None, tuple(beside)
                reading.is_signal = whole is None
            reading.pages.append(Page(answer.body, answer.seq, answer.headers.get("live-until")))
            created = _created(answer.headers.get("live-created"))
            if created is None or (reading.created is None and len(reading.pages) > 1):
                reading.created = None
            else:
                reading.created = {**(reading.created or {}), **created}
            following = _NEXT.search(answer.headers.get("link", ""))
            is_followed = reading.is_whole and reading.channel is not None and "limit" not in query
            url = str(httpx.URL(url).join(following[1])) if following is not None and is_followed else None
            if url in asked:
                raise Unconfirmed(f"GET {url}", "the pages of the list lead in a circle")

    async def write(self, write: Write, segment: str | None) -> Answer:
        """Send a write. segment: of the document in the URL. Raises Unreachable, Unconfirmed, ClientClosed."""
        url = self._path if segment is None else f"{self._path}/{segment}"
        headers = {"Live-Origin": write.origin}
        if write.kind == "create":
            headers["Idempotency-Key"] = write.origin
        return await self._ask(VERBS[write.kind], url, write.body, headers)

    async def _ask(
        self, method: str, url: str, body: Document | None = None, headers: Headers | None = None
    ) -> Answer:
        server = str(self._http.base_url)
        given = await ask_headers(self._headers, server)
        sent = {**given, "Accept": "application/json", **(headers or {})}
        content = None if body is None else orjson.dumps(body)
        if content is not None:
            sent["Content-Type"] = "application/json"
        if self._http.is_closed:
            raise ClientClosed("the client was closed")
        try:
            response = await self._http.request(method, url, content=content, headers=sent)
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            raise Unreachable(server, {"HTTP": said(error)}) from error
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise Unconfirmed(f"{method} {url}", said(error)) from error
        status, headers, seq = response.status_code, response.headers, response.headers.get("live-seq")
        if status >= 300:
            return Answer(status, None, seq, headers, refusal(status, response.content))
        try:
            return Answer(status, orjson.loads(response.content or b"null"), seq, headers)
        except ValueError as error:
            raise Unconfirmed(f"{method} {url}", "the answer is not JSON") from error


def _created(told: str | None) -> dict[str, Document] | None:
    """What ``Live-Created`` says; None: nothing."""
    try:
        created = orjson.loads(told or b"")
    except ValueError:
        return None
    is_told = isinstance(created, dict) and all(isinstance(key, dict) for key in created.values())
    return created if is_told else None


def query_texts(query: Any) -> dict[str, str]:
    """A query's values as a URL has them. Raises ConfigurationError."""
    if not isinstance(query, Mapping) or not all(isinstance(name, str) for name in query):
        raise ConfigurationError(f"query: a mapping of names to values is expected, not {query!r}")
    return {
        name: str(value).lower() if value is None or isinstance(value, bool) else str(value)
        for name, value in query.items()
    }


def refusal(status: int, content: bytes) -> RequestError:
    """What a refusal says, as the error that the server itself would raise for it."""
    try:
        problem = orjson.loads(content)
    except ValueError:
        problem = None
    problem = problem if isinstance(problem, dict) else {}
    title = HTTPStatus(status).phrase if status in set(HTTPStatus) else f"status {status}"
    detail = str(problem.get("detail") or problem.get("title") or title)
    errors = [each for each in problem.get("errors") or () if isinstance(each, dict)]
    if status in _ERRORS:
        return _ERRORS[status](detail, errors)
    return RequestRefused(detail, errors, status, title)
