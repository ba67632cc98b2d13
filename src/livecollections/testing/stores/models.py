"""Models of every kind that a store must know: SQLModel and plain SQLAlchemy, keys of every kind, every type."""

from __future__ import annotations

import datetime
import decimal
import enum
import uuid
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlmodel import Field, SQLModel


class Todo(SQLModel, table=True):
    __tablename__ = "store_todo"
    id: int | None = Field(default=None, primary_key=True)
    title: str = Field(unique=True)
    completed: bool = False
    order: int | None = None


class Tag(SQLModel, table=True):
    __tablename__ = "store_tag"
    name: str = Field(primary_key=True)
    weight: float = 1.0


class Ticket(SQLModel, table=True):
    __tablename__ = "store_ticket"
    id: uuid.UUID = Field(default_factory=uuid.uuid4, primary_key=True)
    note: str = "none"


class Base(DeclarativeBase):
    pass


class Colour(enum.Enum):
    red = 1
    blue = 2


class Everything(Base):
    """A mapped class whose attributes are named otherwise than its columns, with every type."""

    __tablename__ = "store everything"
    # SQLite makes a key only for a column that is INTEGER.
    place: Mapped[int] = mapped_column(
        "select", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), primary_key=True
    )
    text: Mapped[str | None] = mapped_column('te"xt')
    number: Mapped[float | None] = mapped_column()
    price: Mapped[decimal.Decimal | None] = mapped_column(sa.Numeric(10, 2))
    flag: Mapped[bool | None] = mapped_column()
    day: Mapped[datetime.date | None] = mapped_column()
    moment: Mapped[datetime.datetime | None] = mapped_column()
    colour: Mapped[Colour | None] = mapped_column()
    blob: Mapped[bytes | None] = mapped_column()
    data: Mapped[Any] = mapped_column(sa.JSON(none_as_null=True), nullable=True)
    ticket: Mapped[uuid.UUID | None] = mapped_column(sa.Uuid())
    changed: Mapped[int] = mapped_column(default=0, onupdate=lambda: 7)
    made: Mapped[str] = mapped_column(server_default="by the database")
    secret: Mapped[str | None] = mapped_column()


class Line(Base):
    """A composite key, a foreign key, a check."""

    __tablename__ = "store_line"
    list: Mapped[str] = mapped_column(sa.ForeignKey("store_tag.name"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    amount: Mapped[int] = mapped_column(sa.CheckConstraint("amount > 0"))


# SQLModel and a declarative base keep their tables apart; the foreign key needs them together.
Tag.__table__.to_metadata(Base.metadata)  # type: ignore[attr-defined]
