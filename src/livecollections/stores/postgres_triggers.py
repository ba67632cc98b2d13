"""The triggers' text: what makes a PostgreSQL table tell its own changes.

Three rules. A row's trigger notes it at once, re-read by its key and not NEW (the user's own triggers may have changed
it), in a table of ours; *that* table's trigger is deferred and draws the entry's place at commit. So a long transaction
delays nobody, and nothing is pending on the user's table that would forbid ALTER or TRUNCATE. No statement here fails
a write that would succeed without it: what can't be read becomes RESET, whoever writes and whatever has been altered.

An image is an array of texts: each column as PostgreSQL itself puts it out under SETTINGS, NULL where it is NULL.
This module knows no connection and no driver.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from ..cause import Cause
from .base import Log

SETTINGS = {
    "DateStyle": "ISO, YMD",
    "TimeZone": "UTC",
    "IntervalStyle": "iso_8601",
    "extra_float_digits": "1",
    "bytea_output": "hex",
}
"""How values are put out, by triggers and wherever rows are read, so that both are the same."""
LARGEST_ROW = 4_000_000
"""Bytes of a row that the log keeps; of a larger one it says RESET."""
LARGEST_TRANSACTION = 10_000
"""Changes of one source in one transaction that the log keeps; of more it says one RESET: drawing that many places
takes a while, and all who commit later are told later."""

WIDTH = 63
"""Bytes of a name."""
_UNREAD = Cause.CAPTURE_FAILED.value

Refer = Callable[[str], str]


def quote(name: str) -> str:
    """A name as SQL."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A text as SQL, whatever ``standard_conforming_strings`` is."""
    doubled = text.replace("'", "''")
    return "E'" + doubled.replace("\\", "\\\\") + "'" if "\\" in text else f"'{doubled}'"


def digest(text: str) -> str:
    """A short name for a text that may be long."""
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def layout_of(columns: Sequence[str]) -> str:
    """The name of a list of columns, by which entries remember which their images hold."""
    return digest("\0".join(columns))


def of(row: str) -> Refer:
    """Refers to the columns of a row: NEW, OLD, or a table's alias."""
    return lambda column: f"{row}.{quote(column)}"


def text_of(value: str) -> str:
    """A value as its type puts it out. (A cast to text may do something else: it drops a char's blanks, and may be
    the user's own.)"""
    return f"CASE WHEN num_nulls({value}) = 0 THEN concat({value}) END"


def image(refer: Refer, columns: Iterable[str]) -> str:
    """A row as the log keeps it."""
    return f"ARRAY[{', '.join(text_of(refer(column)) for column in columns)}]::text[]"


@dataclass(frozen=True, slots=True)
class KeyColumn:
    """One column of a primary key. equals: the operator by which its index compares, schema and all.
    is_exact: equal values are put out alike."""

    name: str
    equals: str
    is_exact: bool


@dataclass(frozen=True, slots=True)
class Table:
    """A table, or the root of a partitioned one. columns: in order, each with its type and the rest of its form (how
    long it may be, an enumeration's labels).  sizes: of those that may be large, the function that measures them
    without reading them."""

    oid: int
    schema: str
    name: str
    columns: Mapping[str, tuple[int, str]]
    sizes: Mapping[str, str]
    key: tuple[KeyColumn, ...]

    @property
    def sql(self) -> str:
        """Its name as SQL."""
        return f"{quote(self.schema)}.{quote(self.name)}"

    @property
    def key_names(self) -> list[str]:
        """The columns of its key."""
        return [column.name for column in self.key]


class Names:
    """What the log's tables and functions are called. schema: where they are."""

    def __init__(self, log: Log, schema: str) -> None:
        self.schema = schema
        self.prefix = log.prefix

    def __getattr__(self, name: str) -> str:
        return self.of(f"{self.prefix}{name}")

    def of(self, name: str) -> str:
        """A name with its schema."""
        return f"{quote(self.schema)}.{quote(name)}"

    def capture(self, source: str) -> str:
        """The function that captures a source, without its schema."""
        return f"{self.prefix}capture_{digest(source)}"

    @property
    def commit(self) -> str:
        """The function that draws places, without its schema, and the trigger that calls it."""
        return f"{self.prefix}commit"

    @property
    def row_trigger(self) -> str:
        """The trigger of a captured table. PostgreSQL runs them by name: it comes before any that a user names."""
        return f"!{self.prefix}capture"

    @property
    def truncate_trigger(self) -> str:
        """The one for TRUNCATE."""
        return f"!{self.prefix}truncate"


@dataclass(frozen=True, slots=True)
class Function:
    """A trigger function. name: as SQL.  body: its text, which PostgreSQL keeps as it is.  settings: while it runs."""

    name: str
    body: str
    settings: dict[str, str]

    @property
    def statement(self) -> str:
        """What creates it, or puts it in the place of an older one."""
        settings = "".join(f"\nSET {name} = {literal(value)}" for name, value in self.settings.items())
        mark = "live"
        while f"${mark}$" in self.body:
            mark += "_"
        return (
            f"CREATE OR REPLACE FUNCTION {self.name}() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER"
            f"\nSET search_path = pg_catalog, pg_temp{settings}\nAS ${mark}${self.body}${mark}$"
        )

    @property
    def configuration(self) -> list[str]:
        """Its settings as the catalog has them."""
        return [
            "search_path=pg_catalog, pg_temp",
            *(f"{name}={value}" for name, value in self.settings.items()),
        ]


def commit_function(names: Names, notifies: bool) -> Function:
    """Draws a place for what was noted: as late as can be, at commit."""
    notify = f"\n  PERFORM pg_notify({literal(names.prefix + 'changes')}, '');" if notifies else ""
    body = f"""
BEGIN
  IF to_regclass({literal(names.changes)}) IS NULL THEN RETURN NULL; END IF;
  -- Anybody may have it called for a table of his own.
  IF TG_RELID IS DISTINCT FROM to_regclass({literal(names.waiting)}) THEN RETURN NULL; END IF;
  -- The setting only says that it is worth a look: anybody may set it.
  IF current_setting({literal(_flooded(names))}, true) = 'on' AND NEW.method <> 'RESET'
      AND {_is_reset(names, "NEW.source", literal(Cause.BACKLOG.value))} THEN
    RETURN NULL;
  END IF;
  INSERT INTO {names.changes} (seq, check_digits, source, method, key, before, after, origin, at, layout, xid)
  VALUES (nextval({literal(names.seq)}), left(gen_random_uuid()::text, 4), NEW.source, NEW.method, NEW.key,
    NEW.before, NEW.after, NULL, extract(epoch FROM clock_timestamp()), NEW.layout, pg_current_xact_id());{notify}
  RETURN NULL;
END
"""
    return Function(names.of(names.commit), body, {})


def _flooded(names: Names) -> str:
    """The setting that says that a transaction has more changes of a source than the log keeps."""
    return f"{names.prefix.rstrip('_') or 'live'}.flooded"


def _is_reset(names: Names, source: str, cause: str) -> str:
    """Whether the transaction has noted a RESET of a source for a cause."""
    return (
        f"EXISTS (SELECT FROM {names.waiting} AS w WHERE w.xid = pg_current_xact_id() AND w.method = 'RESET' "
        f"AND w.source = {source} AND w.key = ARRAY[{cause}])"
    )


class Capture:
    """The function for one table, whose log keeps ``columns``. source: what entries call it."""

    def __init__(self, source: str, table: Table, columns: Sequence[str], names: Names) -> None:
        self._name = names.of(names.capture(source))
        self._source = literal(source)
        self._table = table
        self._columns = columns
        self._names = names
        self._count = f"{names.prefix.rstrip('_') or 'live'}.n_{digest(names.schema + names.prefix + source)}"
        self._layout = literal(layout_of(columns))

    def function(self) -> Function:
        """What the triggers of the table call."""
        settings = {**SETTINGS, "row_security": "off"}
        return Function(self._name, self._body(), settings)

    def _body(self) -> str:
        old, new = image(of("OLD"), self._table.key_names), image(of("NEW"), self._table.key_names)
        forms = [self._table.columns[name] for name in self._columns]
        return f"""
-- forms: {digest(repr(forms))}
DECLARE
  v_count integer; v_old text[]; v_new text[]; v_before text[]; v_after text[]; v_there text[]; v_cause text;
  v_alone boolean;
BEGIN
  IF to_regclass({literal(self._names.waiting)}) IS NULL THEN RETURN NULL; END IF;
  {self._is_strangers()}
  BEGIN
    {self._put_off()}
    {self._is_itself()}
    v_alone := {self._alone()};
    IF TG_OP = 'TRUNCATE' THEN
      v_cause := {literal(Cause.TRUNCATED.value)};
    ELSE
      v_count := coalesce(nullif(current_setting({literal(self._count)}, true), ''), '0')::integer + 1;
      IF v_count > {LARGEST_TRANSACTION} THEN
        v_cause := {literal(Cause.BACKLOG.value)};
        PERFORM set_config({literal(_flooded(self._names))}, 'on', true);
      ELSE
        PERFORM set_config({literal(self._count)}, v_count::text, true);
      END IF;
    END IF;
    IF v_cause IS NULL AND TG_OP <> 'INSERT' THEN
      {self._is_typed("OLD")}
      IF {self._size("OLD")} THEN v_cause := {literal(Cause.UNDECODABLE.value)}; ELSE
        v_old := {old};
        v_before := {image(of("OLD"), self._columns)};
        IF NOT v_alone THEN
          {self._reread("OLD", "v_old", "v_there")}
        END IF;
      END IF;
    END IF;
    IF v_cause IS NULL AND TG_OP <> 'DELETE' THEN
      {self._is_typed("NEW")}
      IF {self._size("NEW")} THEN v_cause := {literal(Cause.UNDECODABLE.value)}; ELSE
        v_new := {new};
        IF TG_OP = 'UPDATE' AND v_new = v_old THEN
          v_new := NULL;
          IF v_alone THEN v_there := {image(of("NEW"), self._columns)}; END IF;
        ELSIF TG_OP = 'INSERT' AND v_alone THEN
          v_after := {image(of("NEW"), self._columns)};
        ELSE
          {self._reread("NEW", "v_new", "v_after")}
          IF TG_OP = 'UPDATE' AND v_alone THEN
            {self._reread("OLD", "v_old", "v_there")}
          END IF;
        END IF;
      END IF;
    END IF;
    {self._is_legible()}
  EXCEPTION WHEN OTHERS THEN
    v_cause := {literal(_UNREAD)};
  END;
  IF v_cause IS NOT NULL THEN
    IF v_cause = {literal(Cause.TRUNCATED.value)}
        OR NOT {_is_reset(self._names, self._source, "v_cause")} THEN
      INSERT INTO {self._names.waiting} (source, method, key, xid)
      VALUES ({self._source}, 'RESET', ARRAY[v_cause], pg_current_xact_id());
    END IF;
    RETURN NULL;
  END IF;
  IF v_old IS NOT NULL AND (CASE WHEN v_there IS NOT NULL THEN v_there IS DISTINCT FROM v_before
      ELSE TG_OP = 'DELETE' OR v_new IS NOT NULL END) THEN
    {self._note("CASE WHEN v_there IS NULL THEN 'DELETE' ELSE 'PUT' END", "v_old", "v_before", "v_there")}
  END IF;
  IF v_after IS NOT NULL THEN
    {self._note("'POST'", "v_new", "NULL", "v_after")}
  END IF;
  RETURN NULL;
END
"""

    def _put_off(self) -> str:
        """What a trigger writes that runs while places are being drawn (SET CONSTRAINTS … IMMEDIATE) is not drawn at
        once, but after what was noted before it."""
        trigger = self._names.of(self._names.commit)
        return f"IF pg_trigger_depth() > 1 THEN SET CONSTRAINTS {trigger} DEFERRED; END IF;"

    def _is_strangers(self) -> str:
        """Anybody may have the function called for a table of his own, whose values he could have us convert by
        functions of his, and tell as ours. Nothing is planned, so nothing of his is run, before a statement is met."""
        oid, there = f"{self._table.oid}::oid", f"to_regclass({literal(self._table.sql)})"
        return f"""IF TG_RELID NOT IN ({oid}, coalesce({there}, 0)::oid) THEN
    IF NOT EXISTS (WITH RECURSIVE above AS (
        SELECT inhparent FROM pg_inherits WHERE inhrelid = TG_RELID
        UNION SELECT i.inhparent FROM pg_inherits AS i JOIN above ON i.inhrelid = above.inhparent
      ) SELECT FROM above WHERE inhparent = {oid}) THEN RETURN NULL; END IF;
  END IF;"""

    def _is_itself(self) -> str:
        """What bears the name by now may be somebody's view, whose functions would run with our rights."""
        there = f"to_regclass({literal(self._table.sql)})"
        return f"IF {there} IS DISTINCT FROM {self._table.oid}::regclass THEN RAISE 'another table'; END IF;"

    def _alone(self) -> str:
        """Whether nothing can have changed the row since it was written: then NEW is the row. Asked only where reading
        it again has a price: a serializable transaction may be refused for what it reads."""
        ours = ", ".join(map(literal, (self._names.row_trigger, self._names.truncate_trigger)))
        return (
            "current_setting('transaction_isolation') = 'serializable' AND pg_trigger_depth() = 1 AND NOT EXISTS "
            f"(SELECT FROM pg_trigger WHERE tgrelid = TG_RELID AND tgname NOT IN ({ours}) AND tgenabled <> 'D' "
            "AND (NOT tgisinternal OR tgfoid::regproc::text ~ 'RI_FKey_(cascade|setnull|setdefault)'))"
        )

    def _note(self, method: str, key: str, before: str, after: str) -> str:
        return (
            f"INSERT INTO {self._names.waiting} (source, method, key, before, after, layout) "
            f"VALUES ({self._source}, {method}, {key}, {before}, {after}, {self._layout});"
        )

    def _reread(self, row: str, key: str, into: str) -> str:
        refer, there = of(row), of("r")
        same = [f"{there(column.name)} {column.equals} {refer(column.name)}" for column in self._table.key]
        if not all(column.is_exact for column in self._table.key):
            same.append(f"{image(there, self._table.key_names)} = {key}")
        return (
            f"SELECT {image(there, self._columns)} INTO {into} "
            f"FROM {self._table.sql} AS r WHERE {' AND '.join(same)};"
        )

    def _is_typed(self, row: str) -> str:
        """A column of another type by now may bring conversions of its owner's, which would run with our rights."""
        refer = of(row)
        types = ", ".join(f"pg_typeof({refer(column)})::oid" for column in self._columns)
        known = ", ".join(str(self._table.columns[column][0]) for column in self._columns)
        return f"IF ARRAY[{types}] <> ARRAY[{known}]::oid[] THEN RAISE 'another type'; END IF;"

    @staticmethod
    def _is_legible() -> str:
        """One encoding takes any bytes for a text, and the log's reader would come to an end at some."""
        whole = "array_to_string(v_before || v_there || v_after, ' ')"
        return (
            "IF getdatabaseencoding() = 'SQL_ASCII' THEN "
            f"PERFORM convert_from(convert_to({whole}, 'SQL_ASCII'), 'UTF8'); END IF;"
        )

    def _size(self, row: str) -> str:
        """Whether a row is too large to keep."""
        refer = of(row)
        measured = [
            (self._table.sizes[column], column) for column in self._columns if column in self._table.sizes
        ]
        sizes = " + ".join(f"coalesce({measure}({refer(column)}), 0)::bigint" for measure, column in measured)
        return f"{sizes} > {LARGEST_ROW}" if sizes else "false"
