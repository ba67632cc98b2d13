"""Random requests of every kind: right, wrong in one place, and nonsense. One seed gives the same requests."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

VALUES: list[Any] = [
    None, True, 0, 1, -1, 7, 2**53, 2**63, 0.5, "", "x", "y", "red", "1.10", "2020-01-02", "null", str(2**60), [],
    ["a"], [1], {}, {"a": 1}, {"a": {"b": [None]}}, "\u0000", "x" * 200,
]  # fmt: skip
FIELDS = {
    "todos": ["title", "title", "completed", "order", "id"],
    "everything": ["text", "number", "real", "flag", "day", "price", "colour", "meta", "words", "blob"],
    "people": ["name", "name", "age", "eMail", "seen", "secret", "initial"],
    "books": ["isbn", "isbn", "title", "title", "pages", "after", "weight"],
    "seats": ["row", "place", "taken"],
    "stamped": ["id", "number", "touched", "token"],
}
SAME = {
    "careful": "todos", "cleared": "todos", "few": "todos", "shelf": "books", "titles": "books", "locked": "everything",
}  # fmt: skip
"""Paths that offer a table of another path's."""
KEYS = {"seats": ["x1,1", "x2,7", "y,x"], "books": ["x1", "x2", "1.10"]}
NONSENSE = [b"", b"{", b"[", b'{"title": NaN}', b"\xff", b"null", b"[null]", b'"x"', b"[" * 50 + b"]" * 50]
TYPES = ["application/json"] * 16 + [
    "application/merge-patch+json",
    "application/json-patch+json",
    "text/plain",
    "",
]
FILTERS = [
    "", "", "", "?title=x", "?order=1", "?number=7", "?sort=-id", "?sort=nothing", "?limit=1", "?limit=-1", "?skip=x",
    "?nothing=1", '?conditions={"id":{"$gt":1}}', '?conditions={"id":{"$no":1}}', "?conditions=x", "?_=5", "?a=1&a=2",
    '?conditions={"words":"a"}', '?conditions={"order":{"$exists":true}}',
]  # fmt: skip
HEADERS: dict[str, list[str]] = {
    "Accept": ["*/*", "text/csv", "application/x-ndjson", "text/html", "application/json;q=0"],
    "If-None-Match": ["*", '"other"', "x", 'W/"other"'],
    "If-Match": ["*", '"other"', "x", ""],
    "Prefer": ["return=minimal", "return=representation", "x"],
    "Live-Origin": ["a", "a b", "x" * 65, "token.7"],
    "Idempotency-Key": ["k1", "k2", "k3", "k" * 300, "\x7f"],
    "Update-Operator": ["$set", "$push", "$inc", "$pop", "$where", "x"],
}


@dataclass(slots=True)
class Asked:
    """A request."""

    method: str
    url: str
    headers: dict[str, str] = field(default_factory=dict)
    content: bytes | None = None


class Requests:
    """Draws them.

    tags: the entity tags of paths, as far as they were seen; some of them are asked for again, and some are true.
    """

    def __init__(self, seed: int, tags: Mapping[str, str]) -> None:
        self._random = random.Random(seed)
        self._tags = tags

    def draw(self) -> Asked:
        """The next request."""
        drawn = self._random
        name = drawn.choice([*FIELDS, *SAME, "books", "books"])
        table = SAME.get(name, name)
        url = f"/api/{name}"
        is_list = drawn.random() < 0.4
        if not is_list:
            known = [tag for tag in self._tags if tag.startswith(f"{url}/")]
            url += f"/{drawn.choice(KEYS.get(table, ['1', '2', '7', 'x', '%FF']))}"
            if known and drawn.random() < 0.7:
                url = drawn.choice(known)
        methods = ["POST"] * 6 + ["GET", "HEAD"] if is_list else ["PUT", "PATCH"] * 4 + ["GET", "DELETE"]
        method = drawn.choice(
            [*methods, *methods, drawn.choice(["GET", "POST", "PUT", "DELETE", "OPTIONS", "FOO"])]
        )
        filtered = is_list and method != "POST"
        asked = Asked(method, url + (drawn.choice(FILTERS) if filtered or drawn.random() < 0.05 else ""))
        for header, values in HEADERS.items():
            if drawn.random() < 0.05:
                asked.headers[header] = drawn.choice(values)
        if drawn.random() < 0.2 and (tag := self._tags.get(url)):
            asked.headers[drawn.choice(["If-Match", "If-None-Match"])] = tag
        if method not in ("GET", "HEAD", "OPTIONS"):
            asked.headers["Content-Type"] = drawn.choice(TYPES)
            asked.content = self._body(asked, FIELDS[table], is_list)
        return asked

    def _body(self, asked: Asked, fields: list[str], is_list: bool) -> bytes:
        drawn = self._random
        if drawn.random() < 0.06:
            return drawn.choice(NONSENSE)
        if asked.headers["Content-Type"].endswith("json-patch+json"):
            return orjson.dumps([self._step(fields) for _ in range(drawn.randrange(4))])
        if is_list and drawn.random() < 0.4:
            return orjson.dumps([self._document(fields) for _ in range(drawn.choice([0, 1, 2, 2, 3]))])
        if not is_list and drawn.random() < 0.3:
            return orjson.dumps(self._update(fields))
        return orjson.dumps(self._document(fields))

    def _document(self, fields: list[str]) -> dict[str, Any]:
        drawn = self._random
        body = {name: drawn.choice(VALUES) for name in fields if drawn.random() < 0.3}
        if drawn.random() < 0.7:  # what most models need
            needed = [name for name in fields if name in ("title", "name", "isbn", "row", "place")]
            body |= {name: f"x{drawn.randrange(20)}" for name in needed if name != "place"}
            body |= {name: drawn.randrange(9) for name in needed if name == "place"}
        if drawn.random() < 0.1:
            body["nothing"] = 1
        return body

    def _update(self, fields: list[str]) -> dict[str, Any]:
        drawn = self._random
        operators = ["$set", "$unset", "$inc", "$push", "$pull", "$addToSet", "$pop", "$where"]
        return {
            operator: {
                drawn.choice(fields) + drawn.choice(["", "", "", ".a", ".0", ".$"]): drawn.choice(VALUES)
            }
            for operator in drawn.sample(operators, drawn.choice([1, 1, 2]))
        }

    def _step(self, fields: list[str]) -> dict[str, Any]:
        drawn = self._random
        step = {
            "op": drawn.choice(["add", "replace", "remove", "test", "copy", "move", "spin"]),
            "path": f"/{drawn.choice(fields)}{drawn.choice(['', '', '/a', '/0', '/-'])}",
            "value": drawn.choice(VALUES),
            "from": f"/{drawn.choice(fields)}",
        }
        return {name: value for name, value in step.items() if drawn.random() < 0.95}
