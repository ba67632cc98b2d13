"""The models that the tests of resources, queries and REST share, and how a source of each is read."""

from __future__ import annotations

import enum
import uuid
from collections.abc import Collection
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, ClassVar

from pydantic import computed_field, field_serializer, field_validator, model_validator
from sqlalchemy import JSON, BigInteger, CheckConstraint, Column, Float, ForeignKey, String
from sqlalchemy.dialects import sqlite
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlmodel import Field, SQLModel
from sqlmodel._compat import SQLModelConfig

from livecollections.resource import Resource
from livecollections.stores.sql import describe


class Todo(SQLModel, table=True):
    """The model of the demo."""

    __tablename__ = "rest_todo"
    id: int | None = Field(default=None, primary_key=True)
    title: str = Field(min_length=1, max_length=100)
    completed: bool = False
    order: int | None = None


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Everything(SQLModel, table=True):
    """A column of each type."""

    __tablename__ = "rest_everything"
    id: int | None = Field(default=None, primary_key=True)
    text: str = ""
    number: int = Field(default=0, sa_type=BigInteger)
    real: float = 0.0
    flag: bool = False
    moment: datetime | None = None
    day: date | None = None
    price: Decimal | None = Field(default=None, max_digits=10, decimal_places=2)
    token: uuid.UUID | None = None
    colour: Colour | None = None
    blob: bytes | None = None
    meta: dict[str, Any] | None = Field(default=None, sa_column=Column(JSON))
    words: list[str] | None = Field(default=None, sa_column=Column(JSON))


class Named(SQLModel):
    """A base without a table, with a rule of its own that a subclass takes part in."""

    name: str = Field(max_length=20)

    @classmethod
    def forbidden(cls) -> set[str]:
        return {"nobody"}

    @field_validator("name")
    @classmethod
    def check_name(cls, value: str) -> str:
        if value in cls.forbidden():
            raise ValueError(f"{value} is no name")
        return value.strip()


class Person(Named, table=True):
    """Validators, serializers, aliases, computed and excluded fields, constants."""

    __tablename__ = "rest_person"
    OLDEST: ClassVar[int] = 150

    id: int | None = Field(default=None, primary_key=True)
    age: int | None = Field(default=None, ge=0)
    mail: str | None = Field(default=None, alias="eMail")
    secret: str = Field(default="s3cret", exclude=True)
    seen: datetime | None = None

    @classmethod
    def forbidden(cls) -> set[str]:
        return {*super().forbidden(), "anybody"}

    @model_validator(mode="after")
    def check_age(self) -> Person:
        if self.age is not None and self.age > self.OLDEST:
            raise ValueError("nobody is that old")
        return self

    @computed_field
    def initial(self) -> str:
        return self.name[:1].upper()

    @field_serializer("seen")
    def show_seen(self, value: datetime | None) -> str | None:
        return None if value is None else value.strftime("%Y-%m-%d")


class Base(DeclarativeBase):
    pass


class Book(Base):
    """A plain mapped class: its own key, lengths, defaults of Python and of the database, constraints."""

    __tablename__ = "rest_book"
    __table_args__ = (CheckConstraint("pages > 0", name="pages_positive"),)
    isbn: Mapped[str] = mapped_column(String(20), primary_key=True)
    title: Mapped[str] = mapped_column(String(10), unique=True)
    pages: Mapped[int] = mapped_column(default=100)
    shelf: Mapped[str] = mapped_column(server_default="hall")
    weight: Mapped[float | None] = mapped_column(Float)
    after: Mapped[str | None] = mapped_column(ForeignKey("rest_book.isbn"))


class Seat(SQLModel, table=True):
    """A key of two columns, made by the client."""

    __tablename__ = "rest_seat"
    row: str = Field(primary_key=True)
    place: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    taken: bool = False


class Token(SQLModel, table=True):
    """A key that is a UUID, made by the model or the client."""

    __tablename__ = "rest_token"
    id: uuid.UUID = Field(default_factory=uuid.uuid4, primary_key=True)
    label: str = ""


class Stamped(SQLModel, table=True):
    """Strict, with what only its owner sets."""

    __tablename__ = "rest_stamped"
    model_config = SQLModelConfig(strict=True)
    id: int = Field(primary_key=True)
    number: int = 0
    token: uuid.UUID | None = None
    made: datetime = Field(default_factory=lambda: datetime(2020, 1, 1, tzinfo=UTC))
    touched: int = 0


def resource_of(
    model: type, path: str = "/api/things", *, exclude: Collection[str] = (), **options: Any
) -> Resource:
    """A resource of a model, described for SQLite."""
    source = describe(model, Resource.excluded(model, exclude), sqlite.dialect())
    return Resource.build(path, source, exclude=exclude, **options)
