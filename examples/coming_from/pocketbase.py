"""Collections of PocketBase with their rules and a hook. `livecollections run examples.coming_from.pocketbase:app`"""

from collections.abc import Mapping
from typing import Any

from sqlmodel import Field, SQLModel
from starlette.requests import HTTPConnection

from livecollections import InvalidDocument, Live, Operation

TOKENS = {"ann's token": "ann", "bob's token": "bob"}


def authenticate(connection: HTTPConnection, ext: Mapping[str, Any]) -> str | None:
    bearer = connection.headers.get("authorization", "").removeprefix("Bearer ")
    return TOKENS.get(ext.get("token") or bearer)


live = Live("sqlite:///pocketbase.db", authenticate=authenticate)


# listRule, viewRule, updateRule and deleteRule were "user = @request.auth.id".
@live.resource("/api/drafts", partition="user", by=lambda user: user)
class Draft(SQLModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    user: str = Field(index=True)
    title: str


# onRecordCreateRequest was a hook of JavaScript.
def without_shouting(operation: Operation) -> None:
    if str(operation.values.get("title", "")).isupper():
        raise InvalidDocument("not so loud")


# listRule and viewRule were "", the others '@request.auth.id != ""'.
@live.resource(
    "/api/posts",
    policy={
        "list": True,
        "read": True,
        "create": lambda user: user is not None,
        "update": lambda user: user is not None,
        "delete": lambda user: user is not None,
    },
    before_write=without_shouting,
)
class Post(SQLModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    title: str


app = live.app
