"""Users by a cookie, as pages of a site have them. Run it: livecollections run examples.security.cookies:app"""

import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlmodel import Field, SQLModel
from starlette.applications import Starlette
from starlette.requests import HTTPConnection, Request
from starlette.responses import Response
from starlette.routing import Route

from livecollections import Live

COOKIE = "session"


@dataclass(frozen=True)
class User:
    name: str


# In your application: tables, and a library that hashes passwords. Of a session's secret only its hash is kept, so that
# who reads the table can't use it.
PASSWORDS = {"ann": "a good password", "bob": "another one"}
SESSIONS: dict[str, User] = {}


def digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


async def authenticate(connection: HTTPConnection, ext: Mapping[str, Any]) -> User | None:
    return SESSIONS.get(digest(connection.cookies.get(COOKIE, "")))


live = Live("sqlite:///cookies.db", authenticate=authenticate)


@live.resource("/api/notes", partition="owner", by=lambda user: user.name)
class Note(SQLModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    owner: str
    text: str


async def login(request: Request) -> Response:
    if request.headers.get("content-type") != "application/json":
        return Response(status_code=415)  # a form of a foreign page can't send JSON
    asked = await request.json()
    known = PASSWORDS.get(asked["name"])
    if known is None or not secrets.compare_digest(known.encode(), asked["password"].encode()):
        return Response(status_code=401)
    # A new secret at each login: one that was there before is worth nothing afterwards.
    SESSIONS.pop(digest(request.cookies.get(COOKIE, "")), None)
    secret = secrets.token_urlsafe(32)
    SESSIONS[digest(secret)] = User(asked["name"])
    answer = Response(status_code=204)
    is_secure = request.url.scheme == "https"
    answer.set_cookie(COOKIE, secret, httponly=True, secure=is_secure, samesite="lax")
    return answer


async def logout(request: Request) -> Response:
    user = SESSIONS.pop(digest(request.cookies.get(COOKIE, "")), None)
    if user is not None:
        await live.recheck(user)  # ends the sockets and streams of this cookie
    return Response(status_code=204)


routes = [Route("/login", login, methods=["POST"]), Route("/logout", logout, methods=["POST"])]
app = live.wrap(Starlette(routes=routes))
