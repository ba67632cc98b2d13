"""Survey: what of a database that others made is to be served, and what is left out, with its reason.

Three rules. Nothing is served that nobody asked for: tables are named, or all of them; columns that are named like
secrets are left out unless they are named themselves; nothing can be written unless that was said. A table that was
named and can't be served is an error. Nothing is done to the database here: what has to be, is told.

It knows no database: it asks the port of administration, and a store.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from .errors import ConfigurationError
from .options import METHODS
from .secrecy import is_like_secret
from .stores.administration import Administration, Found, Plan
from .stores.base import Store


@dataclass(frozen=True, slots=True)
class Wishes:
    """What is asked for.

    tables: by name; all if none is named.  include: columns to be shown although they are named like secrets.
    exclude: columns to be left out; both as ``customer.email``.  writes: whether documents may be written.
    """

    tables: Collection[str] = ()
    include: Collection[str] = ()
    exclude: Collection[str] = ()
    writes: bool = False


@dataclass(frozen=True, slots=True)
class Offer:
    """A table as it is served. shown, withheld: names of its columns.  exclude: attributes of the withheld ones."""

    table: str
    model: type
    shown: tuple[str, ...]
    withheld: tuple[str, ...]
    exclude: frozenset[str]
    methods: tuple[str, ...]

    @property
    def told(self) -> object:
        """What others see of it."""
        return self.table, self.shown, self.methods

    @property
    def path(self) -> str:
        """Where it is served."""
        return f"/api/{self.table}"


@dataclass(frozen=True, slots=True)
class Choice:
    """What is served, what is left out and why, and what has to be installed for it."""

    offers: tuple[Offer, ...]
    left_out: dict[str, str]
    plan: Plan

    def is_like(self, other: Choice) -> bool:
        """Whether it serves the same."""
        return [one.told for one in self.offers] == [one.told for one in other.offers]


class Survey:
    """Of one database. administration, store: both of it; the store need not be started."""

    def __init__(self, administration: Administration, store: Store) -> None:
        self._administration = administration
        self._store = store

    async def choose(self, wishes: Wishes) -> Choice:
        """Look at the database. Raises ConfigurationError for a wish that can't be met, StoreUnavailable."""
        found = await self._administration.reflect(wishes.tables)
        offers, left_out = [], {}
        unknown = {*wishes.include, *wishes.exclude}
        for each in found:
            try:
                offer = self._offer(each, wishes)
            except ConfigurationError as error:
                if each.name in wishes.tables:
                    raise ConfigurationError(f"{each.name} can't be served: {error}") from error
                left_out[each.name] = str(error)
                continue
            unknown -= {f"{each.name}.{column}" for column in (*offer.shown, *offer.withheld)}
            offers.append(offer)
        if unknown:
            raise ConfigurationError(f"no table that is served has a column {', '.join(sorted(unknown))}")
        if not offers:
            reasons = "; ".join(f"{name}: {reason}" for name, reason in left_out.items())
            raise ConfigurationError(f"there is no table to serve. {reasons}")
        withheld = [f"{one.table}.{column}" for one in offers for column in one.withheld]
        plan = await self._administration.plan([one.table for one in offers], withheld)
        return Choice(tuple(offers), left_out, plan)

    def _offer(self, found: Found, wishes: Wishes) -> Offer:
        """A table as it is to be served. Raises ConfigurationError, which completes "left out: "."""
        if found.model is None:
            raise ConfigurationError(found.reason)
        if found.name not in wishes.tables and is_like_secret(found.name):
            raise ConfigurationError("it is named like a secret: name it with --table")
        if not found.name.isprintable() or set(found.name) & set("/{}?#\\") or found.name in (".", ".."):
            raise ConfigurationError("its name can't be part of a path")
        source = self._store.describe(found.model, found.unshown)
        withheld = [each for each in source.columns if _is_withheld(found.name, each.name, wishes)]
        for column in withheld:
            if column.attribute in source.key:
                named = f"{found.name}.{column.name}"
                secret = ", and named like a secret: name it with --include"
                is_asked = named in wishes.exclude
                raise ConfigurationError(f"{named} is its key{'' if is_asked else secret}")
        # What nobody can say all of can't be made.
        is_lacking = any((*(not column.has_default for column in withheld), *found.unshown.values()))
        writes = (verb for verb in METHODS if verb != "POST" or not is_lacking)
        return Offer(
            found.name,
            found.model,
            tuple(column.name for column in source.columns if column not in withheld),
            (*(column.name for column in withheld), *found.unshown),
            frozenset((*(column.attribute for column in withheld), *found.unshown)),
            tuple(writes) if wishes.writes else ("GET",),
        )


def _is_withheld(table: str, column: str, wishes: Wishes) -> bool:
    named = f"{table}.{column}"
    return named in wishes.exclude or (is_like_secret(column) and named not in wishes.include)


def told(database: str, choice: Choice) -> Iterator[str]:
    """A choice in lines for people, whatever characters names have."""
    for line in _told(database, choice):
        yield "".join(character if character.isprintable() else "\ufffd" for character in line)


def _told(database: str, choice: Choice) -> Iterator[str]:
    writes = any(set(offer.methods) - {"GET"} for offer in choice.offers)
    yield f"{database}, {'to be read and written' if writes else 'to be read'}:"
    width = max(len(name) for name in (*(one.path for one in choice.offers), *choice.left_out)) + 2
    for offer in choice.offers:
        lacking = f"; without {', '.join(offer.withheld)}" if offer.withheld else ""
        lacking += "; no POST, which would need them" if writes and "POST" not in offer.methods else ""
        yield f"  {offer.path:{width}}{', '.join(offer.shown)}{lacking}"
    if choice.left_out:
        yield "left out:"
        yield from (f"  {name:{width}}{reason}" for name, reason in choice.left_out.items())
    if choice.plan.additions:
        yield "to be installed:"
        yield from (f"  {addition}" for addition in choice.plan.additions)


__all__ = ["Choice", "Offer", "Survey", "Wishes", "told"]
