"""MongoDB, seen from outside, and the documents that are equal to tables' rows.

A key that SQL would draw from a sequence is drawn from one of the test's: the model's own default. What is unique in a
table has an index of the collection's, which is the user's to make.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache, partial
from itertools import count
from typing import Annotated, Any

import sqlalchemy as sa
from bson.codec_options import CodecOptions
from bson.raw_bson import RawBSONDocument
from pydantic import BaseModel, Field
from pymongo import MongoClient
from pymongo.errors import BulkWriteError, DuplicateKeyError
from sqlalchemy.dialects import sqlite

from livecollections.cause import Cause
from livecollections.derived import derive
from livecollections.source import Column
from livecollections.stores.base import Store
from livecollections.stores.mongo_models import DocumentSource, describe
from livecollections.stores.sql import TableSource
from livecollections.stores.sql import describe as describe_table
from tests.mongo.server import client, database_url

from .database import Database

RAW = CodecOptions(document_class=RawBSONDocument)
OURS = ("live_writes", "live_idempotency", "live_resets")
"""What of the library's own collections no refused request may change."""

_last: dict[str, count[int]] = {}


@cache
def _connected(server: str) -> MongoClient[dict[str, Any]]:
    """The stranger's connection, for all tests."""
    return client(server)


class Mongo(Database):
    """A database of a server that tests share."""

    kind = "mongo"
    refusals = (DuplicateKeyError, BulkWriteError)
    moment = "2020-01-02T03:04:05.006000Z"
    draws_keys = False
    tells_versions = False

    def __init__(self) -> None:
        self.url = database_url()
        server, _, name = self.url.rpartition("/")
        self.database = _connected(server)[name.partition("?")[0]]
        self._indexed: set[type] = set()
        _last.clear()

    def is_level(self, read: str, written: str) -> bool:
        return read >= written  # it is that of a time, which goes on

    async def end(self, store: Store) -> str:
        async with store.session(committed=lambda seq: None):
            pass  # its mark comes after all that was written, and it ends when the stream has told that
        return (await store.look("")).head  # its head is the time, to which nothing comes that is published

    def taken(self, model: type) -> type[Any]:
        if sa.inspect(model, raiseerr=False) is None or not isinstance(model, type):
            return model
        document = document_of(model)
        if document not in self._indexed:
            self._indexed.add(document)
            source = describe(document, ())
            for column in source.columns:
                if column.unique and column.attribute not in source.key:
                    options: dict[str, Any] = {"unique": True}
                    if column.nullable:  # as in SQL, where nothing is unlike nothing
                        options["partialFilterExpression"] = {column.name: {"$type": "string"}}
                    self.database[source.name].create_index(column.name, **options)
            for several in _unique_together(model):
                self.database[source.name].create_index([(name, 1) for name in several], unique=True)
        return document

    def insert(self, model: type[Any], *rows: Mapping[str, Any]) -> None:
        source = _source(model)
        self.database[source.name].insert_many([source.new(row) for row in rows])

    def update(self, model: type[Any], values: Mapping[str, Any], **where: Any) -> None:
        source = _source(model)
        self.database[source.name].update_many(_stored(source, where), {"$set": _stored(source, values)})

    def delete(self, model: type[Any], **where: Any) -> None:
        source = _source(model)
        self.database[source.name].delete_many(_stored(source, where))

    def spoil(self, model: type[Any]) -> Cause:
        self.database.drop_collection(_source(model).name)
        return Cause.TABLE_GONE

    def forget_images(self, model: type[Any]) -> None:
        """Have nobody keep any more what its documents were, as a stranger does."""
        self.database.command("collMod", _source(model).name, changeStreamPreAndPostImages={"enabled": False})

    def rows(self, model: type[Any]) -> list[dict[str, Any]]:
        source = _source(model)
        return [dict(source.row(stored)) for stored in self.database[source.name].find(sort=[("_id", 1)])]

    def held(self) -> Any:
        raw: Any = self.database.with_options(RAW)
        names = sorted(self.database.list_collection_names())
        kept = [name for name in names if not name.startswith("live_") or name in OURS]
        return [
            [bytes(stored.raw) for stored in raw.get_collection(name).find(sort=[("_id", 1)])]
            for name in kept
        ]

    def close(self) -> None:
        self.database.client.drop_database(self.database.name)


@cache
def document_of(table: type) -> type[BaseModel]:
    """The equal of a table's model, stored in the collection of the table's name."""
    from beanie import Indexed  # here, since it is not for each version of Python

    source = describe_table(table, (), sqlite.dialect())
    assert isinstance(source, TableSource)
    base = derive(source, ())
    annotations: dict[str, Any] = {}
    called = {"__module__": table.__module__, "__qualname__": table.__qualname__, "__doc__": table.__doc__}
    settings = {"name": source.name, **called, "__qualname__": f"{table.__qualname__}.Settings"}
    values: dict[str, Any] = {"Settings": type("Settings", (), settings)}
    for column in source.columns:
        if column.generated and column.attribute in source.key:
            annotations[column.attribute] = column.type
            values[column.attribute] = Field(default_factory=partial(_next, source.name))
        elif column.unique and column.attribute not in source.key:
            annotations[column.attribute] = Annotated[_annotation(column), Indexed(unique=True)]
            if not (field := base.model_fields[column.attribute]).is_required():
                values[column.attribute] = field.get_default(call_default_factory=True)
    return type(table.__name__, (base,), {"__annotations__": annotations, **called, **values})


def _unique_together(table: Any) -> list[list[str]]:
    """The names of the columns of each constraint that is of several."""
    found = (one for one in table.__table__.constraints if isinstance(one, sa.UniqueConstraint))
    return [[column.name for column in one.columns] for one in found if len(one.columns) > 1]


def _annotation(column: Column) -> Any:
    return column.type | None if column.nullable else column.type


def _next(name: str) -> int:
    """The next key of a collection."""
    return next(_last.setdefault(name, count(1)))


def _source(model: type) -> DocumentSource:
    return describe(document_of(model), ())


def _stored(source: DocumentSource, values: Mapping[str, Any]) -> dict[str, Any]:
    fields = source.fields
    return {fields[name].name: fields[name].encode(value) for name, value in values.items()}
