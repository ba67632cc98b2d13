"""Conditions as SQL for SQLite, which lets anyone store anything in any column.

Three rules. A statement selects exactly the rows of which ``query.meets`` says so, by what their columns are decoded
to. Each part is true or false, never NULL, so that NOT is its opposite. What SQL can't say so exactly (structures,
times that somebody wrote in another form) it asks of Python, by the function ``live_holds``; what an index can
narrow is said beside that.

A type of the user's own (a TypeDecorator) is compared as it is stored, so its codec must give equal values one form.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import date, datetime, time, timedelta
from decimal import ROUND_CEILING, ROUND_FLOOR, Context, Decimal, InvalidOperation
from math import inf, isinf, nextafter
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from ..errors import InvalidDocument
from ..query import Compare, Equal, In, Leaf, Text, equal, holds, instant, kind
from .sql import Field
from .sql_conditions import Clause, Conditions

LARGEST_INTEGER = 2**63 - 1
_NUMBERS = ("integer", "real")
_WEEK = timedelta(days=8)
"""What an offset (a day) and a year of weeks (three days) may put between a time and the year that begins its text."""
_COUNTED = "+0 days"
"""Has SQLite count, so that a day which is not in the calendar comes back as another."""
_EXACT = Context(prec=1000)


class SQLiteConditions(Conditions):
    """Compiles the conditions of one statement. predicates: what ``live_holds`` calls, by number."""

    def leaf(self, found: Field, condition: Leaf) -> Clause:
        clause = None if condition.path else _compiler(found)(self, found, condition)
        return self.asked(found, condition) if clause is None else clause

    def stored(self, found: Field) -> Clause:
        return _bare(found)

    def placed(self, found: Field, value: Any) -> Clause:
        return _bound(value)

    def asked(self, found: Field, condition: Leaf) -> Clause:
        """A condition that Python judges, by what the column is decoded to."""
        decode = found.decode
        self.predicates.append(lambda stored, look: holds(condition, decode(stored), look))
        number: Clause = sa.literal_column(str(len(self.predicates) - 1))
        return sa.func.live_holds(number, found.column, type_=sa.Boolean()) == sa.literal_column("1")


Compiler = Callable[[SQLiteConditions, Field, Leaf], Clause | None]
"""Gives None for what is to be asked of Python."""


def _compiler(found: Field) -> Compiler:
    column_type = found.column.type
    for known, compiler in _COMPILERS.items():
        if isinstance(column_type, known):
            return compiler
    if _stamp_type(found):
        return _stamp
    if isinstance(column_type, sa.Uuid) and column_type.as_uuid:
        return _uuid
    if isinstance(column_type, sa.Numeric) and not found.is_plain:
        return _decimal
    return _plain if found.is_plain else _as_stored


def _asked(compiler: SQLiteConditions, found: Field, condition: Leaf) -> None:
    return None


def _plain(compiler: SQLiteConditions, found: Field, condition: Leaf) -> Clause | None:
    """What is stored is the value."""
    if isinstance(condition, Equal | In):
        numbers, texts, blobs = [], [], []
        for value in _values(condition):
            if type(value) in (int, float, bool, Decimal):
                numbers += _number(value)
            elif type(value) is str:
                texts.append(value)
            elif type(value) is bytes and type(found.decode(value)) is bytes:
                blobs.append(value)
        return sa.or_(
            *_null(found, condition),
            *_is_in(found, _NUMBERS, _bare(found), numbers),
            *_is_in(found, ("text",), _binary(found), texts),
            *_is_in(found, ("blob",), _bare(found), blobs),
        )
    if isinstance(condition, Compare):
        if type(condition.value) is str:
            column = _text_of(found, condition.value)
            return _typed(found, ("text",), _compared(column, condition.operator, condition.value))
        if type(condition.value) in (int, float) and _number(condition.value):
            return _typed(found, _NUMBERS, _compared(_bare(found), condition.operator, condition.value))
    if isinstance(condition, Text):
        return _text(found, condition)
    return None


def _text(found: Field, condition: Text) -> Clause | None:
    if condition.starts and not condition.ends and not condition.any_case:
        after = _after_prefix(condition.text)
        upper = [] if after is None else [_compared(_text_of(found, after), "<", after)]
        lower = _compared(_text_of(found, condition.text), ">=", condition.text)
        return _typed(found, ("text",), lower, *upper)
    if condition.starts or condition.ends:
        return None
    column: Clause = sa.func.lower(_bare(found)) if condition.any_case else _bare(found)
    part: Clause = sa.func.lower(_bound(condition.text)) if condition.any_case else _bound(condition.text)
    return _typed(found, ("text",), sa.func.instr(column, part) > sa.literal_column("0"))


def _boolean(compiler: SQLiteConditions, found: Field, condition: Leaf) -> Clause | None:
    """Every number but 0 is decoded to true, and every text but the empty one."""
    if not isinstance(condition, Equal | In):
        return None
    clauses = _null(found, condition)
    for value in _values(condition):
        if kind(value) not in (kind(0), bool):
            return None
        if value in (0, 1):
            operator = "<>" if value else "="
            clauses.append(_typed(found, _NUMBERS, _compared(_bare(found), operator, 0)))
            clauses.append(_typed(found, ("text",), _compared(_bare(found), operator, "")))
    return sa.or_(sa.false(), *clauses)


def _decimal(compiler: SQLiteConditions, found: Field, condition: Leaf) -> Clause | None:
    """Numbers are decoded to so many digits: a condition on these is one on a range of what is stored."""
    if not isinstance(condition, Equal | In | Compare):
        return None
    clauses = list(_null(found, condition))
    for value in _values(condition):
        ends = _ends(found, value) if kind(value) == kind(0) else None
        if ends is None:
            return None
        first, last = ends
        if isinstance(condition, Compare):
            end = first if condition.operator in ("<", ">=") else last
            clauses.append(_typed(found, _NUMBERS, _compared(_bare(found), condition.operator, end)))
        else:
            both = (_compared(_bare(found), ">=", first), _compared(_bare(found), "<=", last))
            clauses.append(_typed(found, _NUMBERS, *both))
    return sa.or_(sa.false(), *clauses)


def _ends(found: Field, value: Any) -> tuple[float, float] | None:
    """The first double that is decoded to no less than a value, and the last to no more."""
    zero = found.decode(0.0)
    try:
        exact = Decimal(value)
        unit = Decimal(1).scaleb(zero.as_tuple().exponent)
        up = exact.quantize(unit, ROUND_CEILING, _EXACT)
        down = exact.quantize(unit, ROUND_FLOOR, _EXACT)
        first, last = float(_EXACT.subtract(up, unit / 2)), float(_EXACT.add(down, unit / 2))
    except (InvalidOperation, ValueError, OverflowError, AttributeError):
        return None
    if isinf(first) or isinf(last):
        return None
    while found.decode(nextafter(first, -inf)) >= exact:
        first = nextafter(first, -inf)
    while found.decode(first) < exact:
        first = nextafter(first, inf)
    while found.decode(nextafter(last, inf)) <= exact:
        last = nextafter(last, inf)
    while found.decode(last) > exact:
        last = nextafter(last, -inf)
    return first, last


def _uuid(compiler: SQLiteConditions, found: Field, condition: Leaf) -> Clause | None:
    """In each of the forms that programs write."""
    if not isinstance(condition, Equal | In):
        return None
    values = _values(condition)
    if any(type(value) is not UUID for value in values):
        return None
    forms = [form for value in values for form in (value.hex, str(value))]
    forms += [form.upper() for form in forms]
    return sa.or_(*_null(found, condition), *_is_in(found, ("text",), _binary(found), forms))


def _stamp(compiler: SQLiteConditions, found: Field, condition: Leaf) -> Clause | None:
    """A day, a time, or both: in SQLAlchemy's form SQL judges, in others Python."""
    if not isinstance(condition, Equal | In | Compare):
        return None
    kept = _stamp_type(found)
    assert kept is not None, "the compiler was chosen by it"
    values, null = _values(condition), _null(found, condition)
    if not values:
        return sa.or_(sa.false(), *null)
    texts = [_stamp_text(found, value) for value in values if kind(value) == kept]
    if None in texts or len(texts) < len(values):
        return None
    operator = condition.operator if isinstance(condition, Compare) else "="
    own: Clause = _bare(found).in_(map(_bound, texts))
    if isinstance(condition, Compare):
        own = _compared(_bare(found), operator, texts[0])
    judged = sa.case((_STAMP_CHECKS[kept](_bare(found)), own), else_=compiler.asked(found, condition))
    bounds = _bounds(found, operator, values) if kept is not time else []
    return sa.or_(*null, _typed(found, ("text",), *bounds, judged))


def _bounds(found: Field, operator: str, values: Sequence[Any]) -> Iterable[Clause]:
    """What is true of each form that Python reads: they all begin with the year, and ISO's with the day."""
    days = [value.date() if type(value) is datetime else value for value in values]
    try:
        lowest, highest = min(days) - _WEEK, max(days) + _WEEK
    except OverflowError:
        return
    if operator in ("=", ">", ">="):
        yield _compared(_binary(found), ">=", lowest.isoformat())
    if operator in ("=", "<", "<=") and highest.year < date.max.year:
        yield _compared(_binary(found), "<", f"{highest.year + 1:04}-")  # a number would be compared as one


def _stamp_type(found: Field) -> type | None:
    column_type: Any = found.column.type
    if isinstance(column_type, sa.types.TypeDecorator):
        column_type = column_type.impl_instance
    return next((kept for known, kept in _STAMPS.items() if isinstance(column_type, known)), None)


def _stamp_text(found: Field, value: Any) -> str | None:
    """A value as SQLAlchemy's own types store it; None if this column has it in another form."""
    value = instant(value)
    text: str = value.isoformat(" ", "microseconds") if type(value) is datetime else _iso(value)
    return text if equal(found.decode(text), value) else None


def _iso(value: date | time) -> str:
    return value.isoformat("microseconds") if isinstance(value, time) else value.isoformat()


def _is_datetime_text(column: Clause) -> Clause:
    return sa.and_(
        _bytes_of(column) == sa.literal_column("26"),
        sa.func.strftime("%Y-%m-%d %H:%M:%S", column, _COUNTED) == sa.func.substr(column, 1, 19),
        sa.func.substr(column, 20).op("GLOB")("." + 6 * "[0-9]"),
        column > sa.literal_column("'0001-'"),
    )


def _is_date_text(column: Clause) -> Clause:
    return sa.and_(
        _bytes_of(column) == sa.literal_column("10"),
        sa.func.date(column, _COUNTED) == column,
        column > sa.literal_column("'0001-'"),
    )


def _is_time_text(column: Clause) -> Clause:
    return sa.and_(
        _bytes_of(column) == sa.literal_column("15"),
        sa.func.time(column, _COUNTED) == sa.func.substr(column, 1, 8),
        sa.func.substr(column, 9).op("GLOB")("." + 6 * "[0-9]"),
    )


def _bytes_of(column: Clause) -> Clause:
    return sa.func.length(sa.cast(column, sa.LargeBinary))


def _as_stored(compiler: SQLiteConditions, found: Field, condition: Leaf) -> Clause | None:
    """A value of an enumeration, or of a type of the user's, has one form."""
    if not isinstance(condition, Equal | In):
        return None
    names = getattr(found.column.type, "enum_class", None)
    stored = []
    for value in _values(condition):
        if names is not None and not isinstance(value, names):
            return None
        try:
            stored.append(found.encode(value))
        except InvalidDocument:
            continue  # no row can have it
    column = _binary(found) if any(type(value) is str for value in stored) else _bare(found)
    clauses = [sa.and_(found.column.is_not(None), column.in_(map(_bound, stored)))] if stored else []
    return sa.or_(sa.false(), *_null(found, condition), *clauses)


# --- pieces ---------------------------------------------------------------------------------------------------


def _values(condition: Equal | In | Compare) -> list[Any]:
    """What is asked for, but for null."""
    values = condition.values if isinstance(condition, In) else (condition.value,)
    return [value for value in values if value is not None]


def _null(found: Field, condition: Leaf) -> list[Clause]:
    asks = (isinstance(condition, In) and None in condition.values) or (
        isinstance(condition, Equal) and condition.value is None
    )
    return [found.column.is_(None)] if asks else []


def _number(value: Any) -> list[Any]:
    """A number as SQLite takes it, if there is such a one."""
    if type(value) is Decimal:
        value = int(value) if value == value.to_integral_value() else float(value)
    if type(value) is float:
        return [value] if value == value else []
    return [int(value)] if -LARGEST_INTEGER - 1 <= value <= LARGEST_INTEGER else []


def _typed(found: Field, types: Sequence[str], *clauses: Clause) -> Clause:
    """Clauses on what is stored with these types alone."""
    names: list[Clause] = [sa.literal_column(f"'{name}'") for name in types]
    stored = sa.func.typeof(_bare(found))
    return sa.and_(stored == names[0] if len(names) == 1 else stored.in_(names), *clauses)


def _is_in(found: Field, types: Sequence[str], column: Clause, values: Sequence[Any]) -> list[Clause]:
    if not values:
        return [sa.false()]
    bound = [_bound(value) for value in values]
    return [_typed(found, types, column == bound[0] if len(bound) == 1 else column.in_(bound))]


def _binary(found: Field) -> Clause:
    """The column by its code points, whatever collation it was declared with."""
    return _bare(found).collate("BINARY")


def _text_of(found: Field, value: str) -> Clause:
    """The same to be compared with a text, which a column declared as one of numbers would read as a number."""
    try:
        float(value)
    except ValueError:
        return _binary(found)
    return _bare(found).op("||")(_bound("")).collate("BINARY")


def _bare(found: Field) -> Clause:
    """The column as it is stored: what SQLAlchemy makes of its type is not what conditions are about."""
    return sa.type_coerce(found.column, sa.types.NullType())


def _bound(value: Any) -> Clause:
    return sa.bindparam(None, value, type_=sa.types.NullType(), unique=True)


def _compared(column: Clause, operator: str, value: Any) -> Clause:
    return column.op(operator, is_comparison=True)(_bound(value))


def _after_prefix(prefix: str) -> str | None:
    """The first text after all that begin with a prefix; None if there is none."""
    while prefix:
        last = ord(prefix[-1]) + 1
        if last == 0xD800:
            last = 0xE000
        if last <= 0x10FFFF:
            return prefix[:-1] + chr(last)
        prefix = prefix[:-1]
    return None


_STAMPS: dict[type, type] = {sa.DateTime: datetime, sa.Date: date, sa.Time: time}
_STAMP_CHECKS: dict[type, Callable[[Clause], Clause]] = {
    datetime: _is_datetime_text,
    date: _is_date_text,
    time: _is_time_text,
}

_COMPILERS: dict[type, Compiler] = {
    sa.JSON: _asked,
    sa.Boolean: _boolean,
}
