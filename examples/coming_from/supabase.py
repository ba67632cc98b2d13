"""Tables that Supabase served, beside their own JWTs. `livecollections run examples.coming_from.supabase:app`"""

import os
from collections.abc import Mapping
from typing import Any

import jwt
from starlette.requests import HTTPConnection

from livecollections import Live

SECRET = os.environ["JWT_SECRET"]


def authenticate(connection: HTTPConnection, ext: Mapping[str, Any]) -> dict[str, Any] | None:
    """The claims of a valid token; their `exp` ends the session, too."""
    bearer = connection.headers.get("authorization", "").removeprefix("Bearer ")
    try:
        return jwt.decode(ext.get("token") or bearer, SECRET, algorithms=["HS256"], audience="authenticated")
    except jwt.InvalidTokenError:
        return None


live = Live(authenticate=authenticate)  # $DATABASE_URL
live.add_table("/api/notes", "notes", partition="user_id", by=lambda user: user["sub"])
live.add_table("/api/countries", "countries", policy={"list": True, "read": True})
app = live.app
