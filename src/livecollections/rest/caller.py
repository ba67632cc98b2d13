"""Caller: whose request this is, and which view he has of a resource.

Three rules. What a browser sends along by itself (a cookie, a password that it remembers) counts only where a page of
ours, or of an allowed origin, asks; a write by it must say so (``Origin`` or ``Sec-Fetch-Site``). What a program puts
in itself (a token) counts from anywhere. Nobody may do what no right names.

It knows no session; whom a handshake's message names, ``identity.py`` asks.
"""

from __future__ import annotations

import inspect
import logging
import re
from collections.abc import Awaitable, Callable, Collection, Mapping, Set
from contextlib import suppress
from dataclasses import fields, is_dataclass
from enum import Enum
from pathlib import PurePath
from types import MemberDescriptorType
from typing import Any
from uuid import UUID

from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection
from starlette.types import Scope

from ..bayeux.origins import Origins, Trust
from ..bayeux.session import Session
from ..errors import ConfigurationError, RequestRefused
from ..policy import has_expired
from ..resource import Resource
from ..view import Views, refused
from .request import Request

logger = logging.getLogger("livecollections.rest")

Authenticate = Callable[[HTTPConnection, Mapping[str, Any]], Awaitable[Any] | Any]

READS = frozenset({"GET", "HEAD", "QUERY"})
_OF_DOCUMENTS = {
    **dict.fromkeys(READS, ("read",)),
    "PUT": ("update",),
    "PATCH": ("update",),
    "DELETE": ("delete",),
}
# To delete what a filter finds tells what is there.
_OF_LISTS = {**dict.fromkeys(READS, ("list",)), "POST": ("create",), "DELETE": ("list", "delete")}
_AMBIENT = ("basic", "digest", "negotiate", "ntlm")
"""Schemes whose credentials browsers remember and send by themselves."""
_DEEPEST_USER = 8
_PASSING = ("exp", "expires_at", "_sa_instance_state")
"""Attributes that are other ones for the same user."""
_SCALARS: Mapping[type, Callable[[Any], str]] = {each: each.__repr__ for each in (str, bytes, int, float)}
_VALUES = (UUID, PurePath, type)
"""What shows all that it is; in their slots is also what they have once worked out."""
_ADDRESS = re.compile("0x[0-9a-f]{6}", re.IGNORECASE)


class Caller:
    """Asks whose a connection is.

    authenticate: the application's own function; None: nobody is known.  clock: seconds since 1970.
    watch: is told of each stream that has begun, and of its request, so that its user is asked for again.
    """

    watch: Callable[[Session, Mapping[str, Any], Mapping[str, Any]], None]

    def __init__(
        self, authenticate: Authenticate | None, origins: Origins, clock: Callable[[], float]
    ) -> None:
        self._authenticate = authenticate
        self._origins = origins
        self._clock = clock

    @property
    def knows_users(self) -> bool:
        """Whether anybody can be known."""
        return self._authenticate is not None

    async def user(self, scope: Mapping[str, Any], ext: Mapping[str, Any]) -> Any:
        """The user, unless there is none or his credential has expired. ext: of a handshake's message."""
        if self._authenticate is None:
            return None
        try:
            user = self._authenticate(HTTPConnection(dict(scope)), ext)
            if inspect.isawaitable(user):
                user = await user
        except HTTPException as error:
            if error.status_code not in (401, 403):
                raise
            return None
        return None if user is False or has_expired(user, self._clock()) else user

    async def user_of(self, scope: Scope) -> Any:
        """The user of a request. Raises RequestRefused for a write that a foreign page may have made by his browser."""
        headers = dict(scope["headers"])
        is_write = scope["method"] not in READS
        # A write that bears no Origin is told what it lacks.
        is_asked = self._authenticate is not None and (b"origin" in headers or not is_write)
        if is_asked and self._origins.trust(headers) is not Trust.FULL:
            return await self.user(_without_ambient(scope), {})
        user = await self.user(scope, {})
        if user is not None and is_write and _is_ambient(headers) and not _is_ours(headers):
            detail = "a write by a browser's cookie must say which page makes it: send Origin, or use a token"
            raise RequestRefused(detail, (), 403, "Forbidden")
        return user


async def view_of(
    views: Views, caller: Caller, scope: Scope, actions: Collection[str]
) -> tuple[Resource, Any]:
    """The view of a request, and its user. actions: what it asks for; none: what nobody may.

    Raises RequestRefused, DocumentNotFound.
    """
    user = await caller.user_of(scope)
    view = views.of(user, scope.get("path_params", {}))
    if not actions or not view.rights.issuperset(actions):
        detail = f"you may not {' and '.join(actions) or scope['method']} here"
        raise refused(user, detail, knows_users=caller.knows_users)
    return view, user


def told_apart(user: Any) -> str:
    """What a user is told apart by, the same in each process: by ``iss`` and ``sub`` as a JWT's claims have them, else
    by what he consists of, but for when his credential ends.

    Raises RequestRefused for one of whom only an address is known, which another may have a moment later.
    """
    if isinstance(user, Mapping) and "sub" in user:
        user = (user.get("iss"), user["sub"])
    try:
        return _consists(user, _DEEPEST_USER)
    except ConfigurationError as error:
        logger.error("an Idempotency-Key is refused: authenticate gives a %s, but %s", _kind(user), error)
        detail = "Idempotency-Key: whose it is can't be told here, so send none; the server's log says more"
        raise RequestRefused(detail, (), 400, "Bad Request") from error


def _consists(value: Any, depth: int) -> str:
    kind = _kind(value)
    if isinstance(value, Enum):
        return f"{kind}:{value.name or value.value}"
    for scalar, show in _SCALARS.items():
        if isinstance(value, scalar):  # whatever a class that is derived from it shows
            return f"{kind}:{show(value)}"
    if not depth or isinstance(value, _VALUES):
        return _shown(value)
    if isinstance(value, Set):
        return f"{kind}:{sorted(_consists(each, depth - 1) for each in value)}"
    if isinstance(value, list | tuple):
        return f"{kind}:{[_consists(each, depth - 1) for each in value]}"
    held = _held(value)
    if not held:
        return _shown(value)
    lasting = {name: each for name, each in held.items() if name not in _PASSING}
    if not lasting and depth == _DEEPEST_USER:
        raise _nameless(value)
    parts = [(_consists(name, depth - 1), _consists(each, depth - 1)) for name, each in lasting.items()]
    return f"{kind}:{sorted(parts)}"


def _held(value: Any) -> dict[Any, Any]:
    """What a value has in it, by name."""
    if is_dataclass(value):
        return {each.name: getattr(value, each.name) for each in fields(value) if each.compare}
    if isinstance(value, Mapping):
        return dict(value)
    held = dict(getattr(value, "__dict__", {}))
    for base in type(value).__mro__:
        for name, member in vars(base).items():
            # Those in underscores are the bookkeeping of what the class is made with, such as Pydantic's.
            if isinstance(member, MemberDescriptorType) and not name.startswith("__"):
                with suppress(AttributeError):  # a slot that is empty
                    held.setdefault(name, member.__get__(value))
    return held


def _shown(value: Any) -> str:
    shown = repr(value)
    if _ADDRESS.search(shown):
        raise _nameless(value)
    return f"{_kind(value)}:{shown}"


def _nameless(value: Any) -> ConfigurationError:
    return ConfigurationError(
        f"of a {_kind(value)} nothing is known that tells it from another: give it attributes (or __slots__, or the "
        "fields of a dataclass, of which compare=False leaves one out), or let authenticate return a mapping that "
        "has sub"
    )


def _kind(value: Any) -> str:
    return type(value).__qualname__


def actions_of(request: Request, is_list: bool) -> tuple[str, ...]:
    """What a request asks for, as policies name it."""
    return (_OF_LISTS if is_list else _OF_DOCUMENTS).get(request.method, ())


def _is_ambient(headers: Mapping[bytes, bytes]) -> bool:
    """Whether a browser may have sent by itself all that says whose this is."""
    authorization = headers.get(b"authorization", b"")
    return _is_remembered(authorization) or (not authorization and b"cookie" in headers)


def _is_remembered(authorization: bytes) -> bool:
    return authorization.partition(b" ")[0].decode("latin-1").lower() in _AMBIENT


def _is_ours(headers: Mapping[bytes, bytes]) -> bool:
    """Whether a browser says that a page of ours, or of an origin that was found allowed, asks."""
    return b"origin" in headers or headers.get(b"sec-fetch-site") in (b"same-origin", b"none")


def _without_ambient(scope: Scope) -> Scope:
    kept = [
        (name, value)
        for name, value in scope["headers"]
        if name != b"cookie" and not (name == b"authorization" and _is_remembered(value))
    ]
    return {**scope, "headers": kept}
