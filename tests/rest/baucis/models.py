"""Shops, cheeses, vegetables and minerals.

Annotations are not put off here: SQLModel reads those of its relationships at once.
"""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, Column
from sqlmodel import Field, Relationship, SQLModel


class Shop(SQLModel, table=True):
    """One with a hyphen in a field's name."""

    __tablename__ = "baucis_shop"
    id: int | None = Field(default=None, primary_key=True)
    name: str = Field(unique=True)
    voltaic: bool = True
    hyphenated: bool = Field(default=True, alias="hyphenated-field-name")


class Cheese(SQLModel, table=True):
    """One with lists and objects in fields."""

    __tablename__ = "baucis_cheese"
    id: int | None = Field(default=None, primary_key=True)
    name: str = Field(unique=True)
    color: str
    bother: int = Field(default=5, ge=0)
    molds: list[str] = Field(default_factory=list, sa_column=Column(JSON))
    arbitrary: list[dict[str, Any]] = Field(default_factory=list, sa_column=Column(JSON))


class Vegetable(SQLModel, table=True):
    """One with rules, and with what refers to it."""

    __tablename__ = "baucis_vegetable"
    id: int | None = Field(default=None, primary_key=True)
    name: str
    score: int = Field(default=1, ge=1)
    species: str = "unknown"
    hyphenated: bool = Field(default=True, alias="hyphenated-field-name")
    nutrients: list["Nutrient"] = Relationship(back_populates="vegetable")


class Nutrient(SQLModel, table=True):
    """What a vegetable has."""

    __tablename__ = "baucis_nutrient"
    id: int | None = Field(default=None, primary_key=True)
    color: str
    vegetable_id: int | None = Field(default=None, foreign_key="baucis_vegetable.id")
    vegetable: Vegetable | None = Relationship(back_populates="nutrients")


class Ripe(SQLModel, table=True):
    """One that says when it was changed."""

    __tablename__ = "baucis_ripe"
    id: int | None = Field(default=None, primary_key=True)
    changed: datetime | None = None


class Mineral(SQLModel, table=True):
    """One of which lists are sorted, and paged."""

    __tablename__ = "baucis_mineral"
    id: int | None = Field(default=None, primary_key=True)
    color: str
