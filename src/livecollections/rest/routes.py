"""Routes: the two paths of a resource, and what each method does there."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import orjson
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from ..bayeux.asgi import Server
from ..change import Key, Row
from ..errors import DocumentNotFound, MalformedRequest, PreconditionFailed, UnsupportedMediaType
from ..hooks import Operation
from ..parameters import of_body, parse, shown_of
from ..partition import free_name
from ..query import Equal, Query
from ..resource import Resource
from ..selection import addressed
from ..stores.base import Idempotency, Snapshot, Store, Sweep, Write, Written
from ..view import Views
from .answer import NO_CACHE, Answer, Header, problem, problem_of
from .bulk import create_all, delete_all
from .caller import READS, Caller, actions_of, told_apart, view_of
from .cors import Cors
from .created import asks_created, with_created
from .formats import FORMATS, JSON, Format, format_of
from .hooks import Hooked
from .links import of_document
from .listing import LongAnswer, whole
from .patch import ACCEPTED, Change, read_change, read_replacement
from .populate import Peers, Related, plan, populate, read_populated
from .portion import portion
from .preconditions import Preconditions, document_tag, last_modified, list_tag
from .preference import APPLIED, is_minimal
from .reading import read_list, seq_headers
from .request import ClientGone, Request, as_document, read_json
from .route import ALLOW, ResourceRoute
from .stream import EventStream, is_asked_for, open_stream
from .tree import take_populate

BODY_LIMIT = 1024 * 1024
"""Bytes that a body may have."""

ACCEPT_PATCH: Header = (b"accept-patch", ACCEPTED)
BY_FORMAT: Header = (b"vary", b"Accept")
BY_USER: Header = (b"vary", b"Authorization, Cookie, Origin")
"""Whose an answer is; of a foreign page's request the cookies count for nothing."""
RELEASE = "live.release"
"""Where a scope bears the release of the API that is asked for, or what is wrong with that."""


def routes(
    views: Views,
    store: Store,
    server: Server,
    caller: Caller,
    *,
    allowed_origins: Sequence[str] = (),
    body_limit: int = BODY_LIMIT,
    peers: Mapping[str | None, Peers] | None = None,
) -> list[BaseRoute]:
    """The routes of a resource: its list, and each of its documents.

    server: streams the resource's channels.  caller: knows whose a request is.
    allowed_origins: of browsers; ``"*"`` is all, without cookies.  body_limit: in bytes.
    peers: the resources that documents may be populated from, by release; None: of an API that has none.
    """
    path = views.resource.path
    cors = Cors(allowed_origins)
    shared = views, store, server, caller, cors, body_limit, set[str](), peers or {}
    collection, document = Collection(*shared), Document(*shared)
    key = free_name(path, "key")
    below = DocumentOrSearch(collection, document, cors, key)
    name = re.sub(r"\W+", "_", path.strip("/"))
    return [
        ResourceRoute(path, collection, name, is_list=True),
        ResourceRoute(f"{path}/{{{key}}}", below, f"{name}_key", is_list=False),
    ]


Handler = Callable[[Request, Resource], Awaitable[Answer | LongAnswer | EventStream]]
"""Answers a request; the resource is the *view* that its user has: what a handler shows and takes is of that one."""


class Endpoint(ABC):
    """What both paths share: methods, errors, CORS. told: what has been logged of the table, until it can be read."""

    is_list = False

    def __init__(
        self,
        views: Views,
        store: Store,
        server: Server,
        caller: Caller,
        cors: Cors,
        body_limit: int,
        told: set[str],
        peers: Mapping[str | None, Peers],
    ) -> None:
        resource = self.resource = views.resource
        self._views = views
        self._store = store
        self._server = server
        self._caller = caller
        self._cors = cors
        self._body_limit = body_limit
        self._told = told
        self._peers = peers
        self._handlers = {
            verb: handler
            for verb, handler in self._offered().items()
            if ("GET" if verb == "QUERY" else verb) in resource.methods
        }
        if "GET" in self._handlers:
            self._handlers["HEAD"] = self._handlers["GET"]
        self._handlers["OPTIONS"] = self._options
        self._allow = ", ".join(self._handlers).encode()

    @abstractmethod
    def _offered(self) -> dict[str, Handler]:
        """What answers each method, where the resource has it."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        view = self.resource
        release: str | MalformedRequest | None = scope.get(RELEASE)
        # What others show of themselves in it is by user too, though this one is open to all.
        by_user = not self._views.is_open
        try:
            request.check_path()
            if isinstance(release, MalformedRequest):
                raise release
            if request.method in self._handlers and request.method != "OPTIONS":
                if not self._views.is_open:
                    view, request.user = await self._admit(request, scope)
                elif view.hooks or request.method == "QUERY" or _names_user(request):
                    by_user = self._caller.knows_users
                    request.user = await self._caller.user_of(scope)
            answer = await self._answer(request, view)
        except ClientGone:
            return
        except Exception as error:
            answer = problem_of(error, view, request.method, self._told)
            if answer.status == 401:
                answer.headers = [*answer.headers, (b"www-authenticate", b"Bearer")]
        else:
            if request.method == "GET" and not isinstance(answer, EventStream):
                self._told.clear()
        vary = [BY_FORMAT] if request.method in READS or getattr(answer, "status", 0) == 406 else []
        if by_user:
            vary.append(BY_USER)
        answer.headers = [*answer.headers, *vary, *_release(release), *self._cors.headers(request)]
        await answer(scope, receive, send)

    def _related(self, request: Request) -> Related:
        """What documents may be populated from, in the release that is asked for."""
        return Related(self._peers.get(request.scope.get(RELEASE), Peers()), request.user)

    async def _admit(self, request: Request, scope: Scope) -> tuple[Resource, Any]:
        """The view and the user of a request. Raises RequestRefused."""
        return await view_of(self._views, self._caller, scope, actions_of(request, self.is_list))

    async def _answer(self, request: Request, view: Resource) -> Answer | LongAnswer | EventStream:
        return await self._handlers.get(request.method, self._refuse)(request, view)

    async def _options(self, request: Request, view: Resource) -> Answer:
        methods = request.scope.get(ALLOW, self._allow)
        allow = [(b"allow", methods), *([ACCEPT_PATCH] if "PATCH" in self._handlers else [])]
        return Answer(204, headers=[*allow, *self._cors.preflight(request, methods)])

    async def _refuse(self, request: Request, view: Resource) -> Answer:
        detail = f"{view.path} has no {request.method} here"
        allow = request.scope.get(ALLOW, self._allow)
        return problem(405, "Method Not Allowed", detail, headers=[(b"allow", allow)])


class Collection(Endpoint):
    """The list: GET (also as a stream), POST, QUERY, and DELETE where all can be deleted at once."""

    is_list = True

    def _offered(self) -> dict[str, Handler]:
        handlers: dict[str, Handler] = {"GET": self._list, "POST": self._create, "QUERY": self._search}
        return handlers | {"DELETE": self._delete_all} if self.resource.delete_all else handlers

    async def _list(self, request: Request, view: Resource) -> Answer | LongAnswer | EventStream:
        if is_asked_for(request):
            return await open_stream(request, view, self._server, self._caller)
        return await self._listed(request, view, request.parameters())

    async def _search(self, request: Request, view: Resource) -> Answer | LongAnswer:
        body = await request.body(self._body_limit)
        parameters = of_body(as_document(read_json(body)), request.parameters())
        answer = await self._listed(request, view, parameters, body)
        if ALLOW in request.scope and isinstance(answer, Answer) and answer.status == 304:
            raise PreconditionFailed("the list is as If-None-Match forbids")
        return answer

    async def _listed(
        self, request: Request, view: Resource, parameters: list[tuple[str, Any]], body: bytes = b""
    ) -> Answer | LongAnswer:
        (tree, others), part = take_populate(parameters), portion(self._store, view)
        if populations := plan(view, tree, self._related(request)):
            answer = await read_populated(request, view, self._store, others, populations)
            return await with_created(answer, request, view, part)
        return await with_created(await read_list(request, view, part, others, body), request, view, part)

    async def _create(self, request: Request, view: Resource) -> Answer:
        request.refuse_parameters()
        Preconditions(request.headers).refuse()
        format_of(request.headers)  # before anything is written
        origin = request.origin
        body = await request.body(self._body_limit)
        sent = read_json(body)
        if isinstance(sent, list):
            return await self._create_all(request, view, sent, body)
        hooked = Hooked(view.hooks, Operation("POST", view.path, request.user))
        values = view.create_values(as_document(await hooked.before_validate(sent)))
        write = Write(view.source, None, lambda row: values, origin, _idempotency(request, view, body))
        written = await hooked.write(portion(self._store, view), write)
        location = f"{request.path}/{view.format_address(written.row)}".encode("latin-1")
        return _written(request, view, written, 201, [(b"location", location)])

    async def _create_all(self, request: Request, view: Resource, sent: list[Any], body: bytes) -> Answer:
        written = await create_all(
            view,
            portion(self._store, view),
            request.user,
            sent,
            request.origin,
            _idempotency(request, view, body),
        )
        headers = [NO_CACHE, *seq_headers(written[0])]
        if not all(view.holds(each.row) for each in written):
            return Answer(204, headers=headers)
        shown, form = view, format_of(request.headers)
        if is_minimal(request.headers):  # one Location can't name several
            shown, headers = addressed(view), [*headers, APPLIED]
        return Answer(201, form.whole(shown.documents(each.row for each in written)), headers, form.type)

    async def _delete_all(self, request: Request, view: Resource) -> Answer:
        query, origin = parse(view, request.parameters()), request.origin
        if query.limit is None:  # as GET shows it
            query = replace(query, limit=view.page)
        conditions = _conditions(request, view)

        def check(version: str | None) -> None:
            if version is None:
                return
            conditions.check_list(list_tag(view, version, request.query, form) for form in FORMATS.values())

        def seen(rows: Sequence[Row]) -> None:
            conditions.check_list(document_tag(whole(view, rows, form), form) for form in FORMATS.values())

        compared: dict[str, Any] = {"check": check, "seen": seen} if conditions else {}
        sweep = Sweep(view.source, query, lambda row: None, origin, **compared)
        written = await delete_all(view, portion(self._store, view), request.user, sweep)
        headers = seq_headers(written[0]) if written else [(b"live-seq", (await self._store.head()).encode())]
        return Answer(200, str(len(written)).encode(), [NO_CACHE, *headers])


class DocumentOrSearch:
    """What is below a list: documents; and ``/search``, to which POST is QUERY of the list, for those who can't.

    key: what the document's name is called among the values of the path.
    """

    def __init__(self, collection: Collection, document: Document, cors: Cors, key: str) -> None:
        self._collection = collection
        self._document = document
        self._cors = cors
        self._key = key

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        endpoint: ASGIApp = self._document
        if scope["path_params"][self._key] == "search" and "QUERY" in self._collection._handlers:
            scope = {**scope, ALLOW: self._document._allow + b", POST"}
            request = Request(scope, receive)
            if request.method == "POST":
                scope, endpoint = {**scope, "method": "QUERY"}, self._collection
            elif request.headers.get("access-control-request-method") == "POST":
                endpoint = self._preflight(request)
        await endpoint(scope, receive, send)

    def _preflight(self, request: Request) -> Answer:
        methods = b"POST, OPTIONS"
        told = [*self._cors.preflight(request, methods), *self._cors.headers(request)]
        return Answer(204, headers=[(b"allow", methods), *told])


class Document(Endpoint):
    """One document: GET (also as a stream), PUT, PATCH, DELETE."""

    def _offered(self) -> dict[str, Handler]:
        return {"GET": self._read, "PUT": self._replace, "PATCH": self._patch, "DELETE": self._delete}

    async def _answer(self, request: Request, view: Resource) -> Answer | LongAnswer | EventStream:
        try:
            return await super()._answer(request, view)
        except DocumentNotFound as error:
            absence = await self._absence(request, view)
            return problem(error.status, error.title, error.detail, headers=absence)

    async def _absence(self, request: Request, view: Resource) -> list[Header]:
        """The seq up to which it is true that there is no such document; none if there is one by now."""
        try:
            found = await self._found(request, view)
        except DocumentNotFound:
            return [(b"live-seq", (await self._store.head()).encode())]
        return [] if found.rows else seq_headers(found)

    async def _found(self, request: Request, view: Resource) -> Snapshot:
        """The document that the URL names. Raises DocumentNotFound if it can name none."""
        address = _address(request, view)
        if view.find_by is None:
            return await portion(self._store, view).get(view.source, address)
        query = Query(where=(Equal(view.find_by, address[0]),))
        return await portion(self._store, view).find(view.source, query)

    async def _key(self, request: Request, view: Resource) -> Key:
        """The key of the document that the URL names. Raises DocumentNotFound."""
        if view.find_by is None:
            return _address(request, view)
        found = await self._found(request, view)
        if not found.rows:
            raise view.not_found()
        return view.source.key_of(found.rows[0])

    async def _read(self, request: Request, view: Resource) -> Answer | EventStream:
        if is_asked_for(request):
            return await self._stream(request, view)
        tree, parameters = take_populate(request.parameters())
        shown = shown_of(view, parameters)
        form = format_of(request.headers)
        populations = plan(view, tree, self._related(request))
        found = await self._found(request, view)
        if not found.rows:
            return problem(404, "Not Found", view.not_found().detail, headers=seq_headers(found))
        headers = [NO_CACHE, *last_modified(view, found.rows[0]), *seq_headers(found)]
        if view.links:
            headers.append((b"link", of_document(request.path)))
        conditions, is_head = Preconditions(request.headers), request.method == "HEAD"
        if is_head and populations and not conditions:  # its tag is one of what would have to be read
            return Answer(200, None, headers, form.type)
        documents = shown.documents(found.rows)
        await populate(self._store, found.rows, documents, populations)
        whole = orjson.dumps(documents[0])
        headers.append((b"etag", tag := document_tag(whole, form)))
        if conditions.are_unchanged(tag):
            return Answer(304, headers=headers)
        body = None if is_head else whole if form is JSON else form.whole(documents)
        return Answer(200, body, headers, form.type)

    async def _stream(self, request: Request, view: Resource) -> EventStream:
        key = await self._key(request, view)
        # One that goes on may go on with the end.
        goes_on = "last-event-id" in request.headers or request.query
        if not goes_on and not (await portion(self._store, view).get(view.source, key)).rows:
            raise view.not_found()
        return await open_stream(request, view, self._server, self._caller, key)

    async def _replace(self, request: Request, view: Resource) -> Answer:
        answer = await self._update(request, view, read_replacement)
        if answer.body:
            # Without it the tag would be taken for that of what was sent (RFC 9110, section 9.3.4).
            answer.headers = [*answer.headers, (b"content-location", request.path.encode("latin-1"))]
        return answer

    async def _patch(self, request: Request, view: Resource) -> Answer:
        try:
            return await self._update(request, view, read_change)
        except UnsupportedMediaType as error:
            return problem(error.status, error.title, error.detail, headers=[ACCEPT_PATCH])

    async def _update(
        self, request: Request, view: Resource, read: Callable[[Request, Resource, Any, int], Change]
    ) -> Answer:
        request.refuse_parameters("conditions")  # which operators take
        format_of(request.headers)  # before anything is written
        origin, conditions = request.origin, _conditions_of_one(request, view)
        body = await request.body(self._body_limit)
        idempotency = _idempotency(request, view, body)
        try:
            key = await self._key(request, view)
        except DocumentNotFound:
            if idempotency is None:
                raise
            key = None  # it may have been this very request that gave the document another name
        hooked = Hooked(view.hooks, Operation(request.method, view.path, request.user, key))
        sent = await hooked.before_validate(read_json(body))
        wanted = read(request, view, sent, self._body_limit)

        def change(row: Row | None) -> dict[str, Any]:
            if row is None:
                raise view.not_found()
            _check_named(request, view, row)
            conditions.check(view, row)
            return wanted(view, row)

        write = Write(view.source, key, change, origin, idempotency, blocks=_asks(request, "conditions"))
        written = await hooked.write(portion(self._store, view), write)
        return _written(request, view, written, 200)

    async def _delete(self, request: Request, view: Resource) -> Answer:
        request.refuse_parameters()
        conditions = _conditions_of_one(request, view)

        def change(row: Row | None) -> None:
            assert row is not None, "a store finds the row before it asks what to change"
            _check_named(request, view, row)
            conditions.check(view, row)

        key = await self._key(request, view)
        hooked = Hooked(view.hooks, Operation("DELETE", view.path, request.user, key))
        await hooked.before_validate()
        written = await hooked.write(
            portion(self._store, view), Write(view.source, key, change, request.origin)
        )
        return Answer(204, headers=[NO_CACHE, *seq_headers(written)])


def _address(request: Request, view: Resource) -> Key:
    return view.parse_address(request.path.rpartition("/")[2])


def _check_named(request: Request, view: Resource, row: Row) -> None:
    """Raise DocumentNotFound if a row is not, or no longer, the one that the URL names."""
    if view.find_by is not None and _address(request, view) != (row[view.find_by],):
        raise view.not_found()


def _names_user(request: Request) -> bool:
    """Whether it makes a difference whose a request is even where everybody may do everything."""
    return _asks(request, "populate") or "idempotency-key" in request.headers or asks_created(request)


def _asks(request: Request, parameter: str) -> bool:
    return any(name.partition("[")[0] == parameter for name, _ in request.parameters())


def _idempotency(request: Request, view: Resource, body: bytes) -> Idempotency | None:
    if "idempotency-key" not in request.headers:
        return None
    return request.idempotency(body, view.channel, told_apart(request.user))


def _conditions(request: Request, view: Resource) -> Preconditions:
    """What a write depends on. Raises MalformedRequest, PreconditionRequired."""
    conditions = Preconditions(request.headers)
    if view.require_if_match:
        conditions.require_match()
    return conditions


def _conditions_of_one(request: Request, view: Resource) -> Preconditions:
    """The same of a document. Raises RequestRefused for who would be told by the answer what it is."""
    conditions = _conditions(request, view)
    if conditions.names_states:
        view.refuse_blind("entity tags tell")
    return conditions


def _written(
    request: Request, view: Resource, written: Written, status: int, headers: Sequence[Header] = ()
) -> Answer:
    # Who may not read it is told of what he created, and of nothing else; a trigger may have made it somebody else's.
    if not (view.holds(written.row) and (status == 201 or "read" in view.rights)):
        return Answer(204, headers=[NO_CACHE, *seq_headers(written)])
    form = format_of(request.headers)
    body, tag = _represented(view.document(written.row), form)
    tagged = [NO_CACHE, (b"etag", tag), *seq_headers(written), *headers]
    if not is_minimal(request.headers):
        return Answer(status, body, tagged, form.type)
    if request.method == "PUT":  # it knows what it has sent, and not what was made of it
        del tagged[1]
    return Answer(204 if status == 200 else status, headers=[*tagged, APPLIED])


def _represented(document: dict[str, Any], form: Format) -> tuple[bytes, bytes]:
    """A document in a format, and its entity tag."""
    body = orjson.dumps(document)
    return body if form is JSON else form.whole([document]), document_tag(body, form)


def _release(chosen: str | MalformedRequest | None) -> list[Header]:
    """What an API with releases tells of the one that answers."""
    if chosen is None:
        return []
    told = [(b"api-version", chosen.encode())] if isinstance(chosen, str) else []
    return [*told, (b"vary", b"API-Version")]
