"""Users by a token, as programs and applications have them. Run it: livecollections run examples.security.tokens:app"""

import hashlib
import os
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlmodel import Field, SQLModel
from starlette.requests import HTTPConnection

from livecollections import Live


@dataclass(frozen=True)
class User:
    name: str
    expires_at: float = field(compare=False)


# In your application: a table, or a JWT that is verified. Of a token only its hash is kept.
TOKENS: dict[str, User] = {}


def issue(name: str, seconds: float = 3600) -> str:
    """A token of 256 bits, so that none can be guessed."""
    token = secrets.token_urlsafe(32)
    TOKENS[hashlib.sha256(token.encode()).hexdigest()] = User(name, time.time() + seconds)
    return token


async def authenticate(connection: HTTPConnection, ext: Mapping[str, Any]) -> User | None:
    bearer = connection.headers.get("authorization", "").removeprefix("Bearer ")
    token = str(ext.get("token") or bearer)
    return TOKENS.get(hashlib.sha256(token.encode()).hexdigest())


# Pages of other sites that may ask: they bring a token, so no cookie has to count.
live = Live("sqlite:///tokens.db", authenticate=authenticate, allowed_origins=["https://app.example"])


@live.resource("/api/notes", partition="owner", by=lambda user: user.name)
class Note(SQLModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    owner: str
    text: str


print("ann's token:", issue("ann", float(os.environ.get("SECONDS", "3600"))), flush=True)
app = live.app
