"""Fit: whether a column of the database keeps a value as it is.

Two rules. What would come back as another value is refused and not altered, and what the server would refuse without
saying which is refused by its name. It goes by the type that the column has, whatever the model says of it. This module
knows the catalogue, no connection and no source.
"""

from __future__ import annotations

import re
from decimal import Context, Decimal
from typing import Any

from .postgres_table import Kind
from .sql import INEXACT

_BITS = {"int2": 16, "int4": 32}
"""Of 64 bits none has more."""
_NUMERIC = re.compile(r"numeric\((\d+),(-?\d+)\)")
_EXACT = Context(prec=2_100)
"""More digits than a numeric of a given precision can have."""


def misfit(kind: Kind, value: Any) -> str | None:
    """Why a column does not keep a value, as its driver takes it; None if it does, or if the server is to say."""
    if isinstance(value, str):
        return "holds NUL, which PostgreSQL keeps in no text" if "\0" in value else None
    if isinstance(value, int) and (bits := _BITS.get(kind.name)):
        half = 1 << (bits - 1)
        return None if -half <= value < half else f"is beyond {bits} bits"
    if isinstance(value, int | Decimal) and (found := _NUMERIC.fullmatch(kind.spelled)):
        return _beyond(Decimal(value), int(found[1]), int(found[2]))
    return None


def _beyond(number: Decimal, precision: int, scale: int) -> str | None:
    """scale: the digits behind the point, below 0 the zeros before it."""
    if not number or not number.is_finite():
        return None
    if number.adjusted() >= precision - scale:
        return f"has more than {precision - scale} digits before the point"
    unit = Decimal(1).scaleb(-scale, _EXACT)
    return None if number.quantize(unit, context=_EXACT) == number else INEXACT
