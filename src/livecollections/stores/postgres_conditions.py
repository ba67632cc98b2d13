"""Conditions as SQL for PostgreSQL.

Two rules. A statement selects exactly the rows of which ``query.meets`` says so, by what their columns are decoded to:
texts by their code points, numbers exactly, and what Python has no value for (an infinite time, NaN) is before and
after nothing. What SQL can't say so exactly (structures, a type that differs from the model's) is left to whoever
reads the rows, each condition as a whole.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, time
from decimal import Decimal
from math import ceil, floor, inf
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.engine.interfaces import Dialect

from ..query import And, Compare, Condition, Equal, In, Leaf, Order, Text, equal, instant, kind
from .postgres_table import Kind
from .postgres_values import underlying
from .sql import LARGEST_INTEGER, Field, TableSource
from .sql_conditions import Clause, Conditions

_NULL = sa.types.NullType()
_UPPER, _LOWER = "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "abcdefghijklmnopqrstuvwxyz"
_LONGEST_NUMBER = 1_000
"""Digits before or after the point, beyond which a number is compared in Python."""


class Unsaid(Exception):
    """SQL has no exact words for a condition."""


class PostgresConditions(Conditions):
    """Compiles the conditions of one statement. kinds: of the table's columns, by their names."""

    merges = False  # what is read is text, which has another order

    def __init__(self, source: TableSource, kinds: Mapping[str, Kind], dialect: Dialect) -> None:
        super().__init__(source)
        self._kinds = kinds
        self._dialect = dialect

    def where(self, conditions: Iterable[Condition]) -> list[Clause]:
        clauses = []
        for condition in conditions:
            if isinstance(condition, And):
                clauses += self.where(condition.conditions)
                continue
            try:
                clauses.append(self.compile(condition))
            except Unsaid:
                self.rest.append(condition)
        return clauses

    def leaf(self, found: Field, condition: Leaf) -> Clause:
        stored = self._kinds.get(found.name)
        if stored is None or condition.path:
            raise Unsaid
        kept = underlying(found.column.type, self._dialect)
        if stored.labels and isinstance(kept, sa.Enum):
            return _known(found, condition, _label(found, stored, kept, condition))
        declared, said = _LEAVES.get(stored.name, (None, None))
        if declared is None or said is None or not isinstance(kept, declared):
            raise Unsaid
        if not found.is_plain and not (isinstance(kept, _STAMPS) and _is_kept(found, condition)):
            raise Unsaid
        if stored.name == "numeric" and isinstance(kept, sa.Float):
            raise Unsaid  # Python rounds what SQL would compare
        return _known(found, condition, said(_bare(found), stored, condition))

    def read(self, found: Field) -> Clause:
        return text_of(found.column)

    def ordered(self, order: Order) -> Clause:
        found = self.field(order.field)
        column = self.stored(found)
        step = column.desc() if order.descending else column.asc()
        stored = self._kinds.get(found.name)
        if stored is not None and not stored.is_nullable:
            return step  # as an index has it
        return step.nulls_last() if order.descending else step.nulls_first()

    def begins(self, order: Order, value: Any) -> list[Clause]:
        found = self.field(order.field)
        stored = self._kinds.get(found.name)
        if value is None or stored is None or (order.descending and stored.is_nullable):
            return []
        return [
            self.stored(found).op("<=" if order.descending else ">=", is_comparison=True)(
                self.placed(found, value)
            )
        ]

    def stored(self, found: Field) -> Clause:
        return _bare(found) if self._sorts(found) else text_of(found.column)

    def placed(self, found: Field, value: Any) -> Clause:
        text = _bound(value, sa.Text())
        return sa.cast(text, Spelled(self._kinds[found.name].spelled)) if self._sorts(found) else text

    def _sorts(self, found: Field) -> bool:
        stored = self._kinds.get(found.name)
        return stored is not None and stored.name not in _UNSORTED


class Spelled(sa.types.UserDefinedType[Any]):
    """A type by its name in the database."""

    cache_ok = True

    def __init__(self, spelled: str) -> None:
        self.spelled = spelled

    def get_col_spec(self, **options: Any) -> str:
        return self.spelled


def text_of(column: Clause) -> Clause:
    """What ``postgres_triggers.text_of`` says, for a column of SQLAlchemy's."""
    bare = sa.type_coerce(column, _NULL)
    is_there = sa.func.num_nulls(bare) == sa.literal_column("0")
    return sa.case((is_there, sa.func.concat(bare, type_=sa.Text())))


# --- leaves ---------------------------------------------------------------------------------------------------

Said = Callable[[Clause, Kind, Leaf], Clause]
"""What a column has to meet that is not NULL. Raises Unsaid."""


def _known(found: Field, condition: Leaf, clause: Clause) -> Clause:
    """A clause that is false for NULL, unless NULL is asked for."""
    asks = (isinstance(condition, In) and None in condition.values) or (
        isinstance(condition, Equal) and condition.value is None
    )
    clause = sa.and_(found.column.is_not(None), clause)
    return sa.or_(found.column.is_(None), clause) if asks else clause


def _values(condition: Leaf) -> list[Any]:
    """What is asked for, but for null."""
    if isinstance(condition, In):
        return [value for value in condition.values if value is not None]
    value = condition.value if isinstance(condition, Equal | Compare) else None
    return [] if value is None else [value]


def _numbers(condition: Leaf) -> list[Any]:
    """The numbers that are asked for: true and false are 1 and 0 to what asks for equality."""
    kinds = (int, float, Decimal) if isinstance(condition, Compare) else (int, float, Decimal, bool)
    return [value for value in _values(condition) if type(value) in kinds and value == value]


def _integer(column: Clause, stored: Kind, condition: Leaf) -> Clause:
    numbers = _numbers(condition)
    if isinstance(condition, Equal | In):
        return _is_in(column, [int(each) for each in numbers if _is_integer(each)], sa.BigInteger())
    if not isinstance(condition, Compare) or not numbers:
        return sa.false()
    (value,), operator = numbers, condition.operator
    if type(value) is not int:
        if _is_infinite(value):
            return sa.true() if (value > 0) == (operator in ("<", "<=")) else sa.false()
        value = ceil(value) if operator in ("<", ">=") else floor(value)
    if not -LARGEST_INTEGER - 1 <= value <= LARGEST_INTEGER:
        return sa.true() if (value > 0) == (operator in ("<", "<=")) else sa.false()
    return _compared(column, operator, value, sa.BigInteger())


def _is_infinite(value: Any) -> bool:
    return value in (inf, -inf)


def _is_integer(value: Any) -> bool:
    return not _is_infinite(value) and value == int(value) and abs(value) <= LARGEST_INTEGER + (value < 0)


def _real(column: Clause, stored: Kind, condition: Leaf) -> Clause:
    numbers = _numbers(condition)
    if isinstance(condition, Equal | In):
        return _is_in(column, [_double(each) for each in numbers if _double(each) == each], sa.Double())
    if not isinstance(condition, Compare) or not numbers:
        return sa.false()
    (value,), operator = numbers, condition.operator
    double = _double(value)
    if double > value:  # the first that is not less
        operator = "<" if operator in ("<", "<=") else ">="
    elif double < value:
        operator = "<=" if operator in ("<", "<=") else ">"
    return _but_nan(column, operator, _compared(column, operator, double, sa.Double()), sa.Double())


def _double(value: Any) -> float:
    try:
        return float(value)
    except OverflowError:
        return inf if value > 0 else -inf


def _but_nan(column: Clause, operator: str, clause: Clause, of: Any) -> Clause:
    """NaN is greater than all here, and nothing in Python."""
    if operator in ("<", "<="):
        return clause
    return sa.and_(clause, column != sa.cast(sa.literal_column("'NaN'"), of))


def _numeric(column: Clause, stored: Kind, condition: Leaf) -> Clause:
    numbers = [Decimal(each) for each in _numbers(condition)]
    if any(not each.is_finite() or _is_long(each) for each in numbers):
        raise Unsaid
    if isinstance(condition, Equal | In):
        return _is_in(column, numbers, sa.Numeric())
    if not isinstance(condition, Compare) or not numbers:
        return sa.false()
    clause = _compared(column, condition.operator, numbers[0], sa.Numeric())
    return _but_nan(column, condition.operator, clause, sa.Numeric())


def _is_long(number: Decimal) -> bool:
    exponent = number.as_tuple().exponent
    return abs(number.adjusted()) > _LONGEST_NUMBER or abs(int(exponent)) > 2 * _LONGEST_NUMBER


def _boolean(column: Clause, stored: Kind, condition: Leaf) -> Clause:
    column = sa.type_coerce(column, sa.Boolean())
    numbers = _numbers(condition)
    if isinstance(condition, Equal | In):
        met = [flag for flag in (False, True) if flag in numbers]
    elif isinstance(condition, Compare) and numbers:
        met = [flag for flag in (False, True) if _ORDERS[condition.operator](int(flag), numbers[0])]
    else:
        met = []
    return sa.or_(sa.false(), *(column if flag else sa.not_(column) for flag in met))


_ORDERS: dict[str, Callable[[Any, Any], bool]] = {
    "<": lambda one, other: bool(one < other),
    "<=": lambda one, other: bool(one <= other),
    ">": lambda one, other: bool(one > other),
    ">=": lambda one, other: bool(one >= other),
}


def _text(column: Clause, stored: Kind, condition: Leaf) -> Clause:
    if isinstance(condition, Text):
        return _has_text(column, condition)
    texts = [value for value in _values(condition) if type(value) is str]
    if isinstance(condition, Equal | In):
        texts = [text for text in texts if _is_storable(text)]
        exact = [] if stored.is_exact else [_is_in(_by_bytes(column), texts, sa.Text())]
        return sa.and_(_is_in(column, texts, sa.Text()), *exact)
    if not isinstance(condition, Compare) or not texts:
        return sa.false()
    if not _is_storable(texts[0]):
        raise Unsaid
    return _compared(_by_bytes(column), condition.operator, texts[0], sa.Text())


def _has_text(column: Clause, condition: Text) -> Clause:
    text = condition.text
    if not _is_storable(text):
        return sa.false()
    column = _by_bytes(column)
    if condition.any_case:
        letters: tuple[Clause, Clause] = sa.literal_column(f"'{_UPPER}'"), sa.literal_column(f"'{_LOWER}'")
        column = sa.func.translate(column, *letters)
        text = text.translate(str.maketrans(_UPPER, _LOWER))
    bound = _bound(text, sa.Text())
    if condition.starts and condition.ends:
        return column == bound
    if condition.starts:
        escaped = text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
        return column.op("LIKE", is_comparison=True)(_bound(escaped + "%", sa.Text()))
    if condition.ends:
        return sa.func.right(column, sa.literal_column(str(len(text)))) == bound
    return sa.func.strpos(column, bound) > sa.literal_column("0")


def _is_storable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeError:
        return False
    return "\0" not in text


def _by_bytes(column: Clause) -> Clause:
    """A text by its code points, which are in the order of UTF-8's bytes."""
    return sa.type_coerce(column, sa.Text()).collate("C")


def _stamp(of: type, spelled: Any, first: Any, last: Any, bind: Callable[[Any], Any] = instant) -> Said:
    """Times of a kind, as far as Python has them."""

    def said(column: Clause, stored: Kind, condition: Leaf) -> Clause:
        values = [bind(value) for value in _values(condition) if kind(value) == of]
        if isinstance(condition, Equal | In):
            return _is_in(column, values, spelled)
        if not isinstance(condition, Compare) or not values:
            return sa.false()
        is_before = condition.operator in ("<", "<=")
        end = _compared(column, ">=" if is_before else "<=", first if is_before else last, spelled)
        return sa.and_(_compared(column, condition.operator, values[0], spelled), end)

    return said


def _is_kept(found: Field, condition: Leaf) -> bool:
    """Whether a type of the user's keeps the times that are asked for as they are."""
    stamps = [value for value in _values(condition) if isinstance(value, date | time)]
    return all(equal(found.decode(instant(value).isoformat()), value) for value in stamps)


def _in_utc(value: Any) -> Any:
    return instant(value).replace(tzinfo=UTC)


def _only_equal(of: type, spelled: Any) -> Said:
    def said(column: Clause, stored: Kind, condition: Leaf) -> Clause:
        if not isinstance(condition, Equal | In):
            return sa.false()
        return _is_in(column, [value for value in _values(condition) if type(value) is of], spelled)

    return said


def _label(found: Field, stored: Kind, kept: sa.Enum, condition: Leaf) -> Clause:
    """A value of an enumeration, by the label that the database has for it."""
    if kept.enum_class is None:
        if not isinstance(condition, Equal | In):
            raise Unsaid
        wanted = [value for value in _values(condition) if type(value) is str]
    else:
        if not isinstance(condition, Equal | In):
            return sa.false()
        values = [value for value in _values(condition) if type(value) is kept.enum_class]
        wanted = [found.encode(value) for value in values]
    labels = [label for label in wanted if label in stored.labels]
    column, of = _bare(found), Spelled(stored.spelled)
    return sa.or_(sa.false(), *(column == sa.cast(_bound(label, sa.Text()), of) for label in labels))


def _is_in(column: Clause, values: Sequence[Any], of: Any) -> Clause:
    if len(values) == 1:
        return column == _bound(values[0], of)
    return column == sa.any_(_bound(list(values), ARRAY(of))) if values else sa.false()


def _compared(column: Clause, operator: str, value: Any, of: Any) -> Clause:
    return column.op(operator, is_comparison=True)(_bound(value, of))


def _bound(value: Any, of: Any) -> Clause:
    return sa.cast(sa.bindparam(None, value, type_=_NULL, unique=True), of)


def _bare(found: Field) -> Clause:
    return sa.type_coerce(found.column, _NULL)


_STAMPS = (sa.DateTime, sa.Date, sa.Time)
_UNSORTED = ("json", "xml", "point", "box", "line", "lseg", "path", "polygon", "circle")
"""Types that have no order, so that their texts are sorted."""
_LEAVES: dict[str, tuple[type, Said]] = {
    "int2": (sa.Integer, _integer),
    "int4": (sa.Integer, _integer),
    "int8": (sa.Integer, _integer),
    "float8": (sa.Float, _real),
    "numeric": (sa.Numeric, _numeric),
    "bool": (sa.Boolean, _boolean),
    "text": (sa.String, _text),
    "varchar": (sa.String, _text),
    "uuid": (sa.Uuid, _only_equal(UUID, sa.Uuid())),
    "bytea": (sa.LargeBinary, _only_equal(bytes, sa.LargeBinary())),
    "date": (sa.Date, _stamp(date, sa.Date(), date.min, date.max)),
    "time": (sa.Time, _stamp(time, sa.Time(), time.min, time.max)),
    "timestamp": (sa.DateTime, _stamp(datetime, sa.DateTime(), datetime.min, datetime.max)),
    "timestamptz": (
        sa.DateTime,
        _stamp(
            datetime,
            sa.DateTime(timezone=True),
            datetime.min.replace(tzinfo=UTC),
            datetime.max.replace(tzinfo=UTC),
            _in_utc,
        ),
    ),
}
