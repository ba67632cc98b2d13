"""What tests of writes are about: tables with constraints and triggers of their users', and a type of each kind."""

from __future__ import annotations

import enum
import uuid
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Base(DeclarativeBase):
    pass


class Shelf(Base):
    __tablename__ = "shelf"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(default="none")
    seen: Mapped[int] = mapped_column(default=0)
    __table_args__ = (sa.UniqueConstraint("name", "seen", name="one of a kind"),)


class Volume(Base):
    """Its foreign key is looked at when the transaction ends."""

    __tablename__ = "volume"
    id: Mapped[int] = mapped_column(primary_key=True)
    shelf: Mapped[int] = mapped_column(sa.ForeignKey("shelf.id", deferrable=True, initially="DEFERRED"))


class Mood(enum.Enum):
    GOOD = "good"
    BAD = "bad"


class Sample(Base):
    """A column of each type."""

    __tablename__ = "sample"
    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    text: Mapped[str | None]
    small: Mapped[int | None] = mapped_column(sa.SmallInteger)
    big: Mapped[int | None] = mapped_column(sa.BigInteger)
    real: Mapped[float | None] = mapped_column(sa.REAL)
    double: Mapped[float | None]
    price: Mapped[Decimal | None] = mapped_column(sa.Numeric(30, 10))
    flag: Mapped[bool | None]
    day: Mapped[date | None]
    hour: Mapped[time | None]
    moment: Mapped[datetime | None]
    instant: Mapped[datetime | None] = mapped_column(sa.DateTime(timezone=True))
    span: Mapped[timedelta | None]
    mood: Mapped[Mood | None]
    blob: Mapped[bytes | None]
    data: Mapped[Any] = mapped_column(sa.JSON(none_as_null=True), nullable=True)
    tree: Mapped[Any] = mapped_column(postgresql.JSONB(none_as_null=True), nullable=True)
    numbers: Mapped[list[int] | None] = mapped_column(postgresql.ARRAY(sa.Integer))
    words: Mapped[list[str] | None] = mapped_column(postgresql.ARRAY(sa.Text))
    days: Mapped[list[date] | None] = mapped_column(postgresql.ARRAY(sa.Date))
    grid: Mapped[list[list[float]] | None] = mapped_column(postgresql.ARRAY(sa.Float, dimensions=2))
    address: Mapped[str | None] = mapped_column(postgresql.INET)
    label: Mapped[str | None] = mapped_column(sa.CHAR(4))


class Booking(Base):
    __tablename__ = "booking"
    id: Mapped[int] = mapped_column(primary_key=True)
    nights: Mapped[Any] = mapped_column(postgresql.DATERANGE)


class Order(Base):
    """In a schema of its own."""

    __tablename__ = "order"
    __table_args__ = ({"schema": "the shop"},)
    id: Mapped[int] = mapped_column(primary_key=True)
    note: Mapped[str]
