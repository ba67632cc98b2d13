"""A database that others made: a shop on SQLite, with what such databases have in them."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

SCHEMA = """
create table customer (
    id integer primary key, name varchar(30) not null, email text, password_hash text, "apiKey" text
);
create table account (id integer primary key, name text not null, secret text not null);
create table purchase (
    shop integer, number integer, customer_id integer references customer (id) on delete cascade,
    total decimal(10, 2) not null, placed datetime, primary key (shop, number)
);
create table country (code text primary key, name text) without rowid;
create table odd (
    id uuid primary key, "two words" text, _hidden integer, json jsonb, model_name text, copy text, anything,
    double integer generated always as (_hidden * 2) virtual
);
create table session (session_key varchar(40) primary key, data text);
create table access_tokens (id integer primary key, value text);
create table plain (line text);
create table untyped (id primary key, x);
create table "a/b" (id integer primary key);
create table "odd\x1b[31m" ("c\x07" integer primary key);
create view cheap as select * from purchase where total < 5;
create virtual table found using fts5(words);
create index by_lower on customer (lower(name));
insert into customer values (1, 'Ann', 'ann@example.org', 'x', 'k'), (2, 'Bob', null, 'y', null);
insert into purchase values (1, 1, 1, 3.50, '2024-01-01 10:00:00'), (1, 2, 2, 12, '2024-01-01T10:00:00Z');
insert into country values ('no', 'Norway');
"""


def make(path: Path) -> str:
    """Make the shop; gives its URL."""
    run(path, SCHEMA)
    return f"sqlite:///{path}"


def run(path: Path, script: str) -> None:
    """Do what another program does, in one transaction."""
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(f"begin; {script}; commit")


def rows(path: Path, statement: str) -> list[tuple[object, ...]]:
    """What a statement finds."""
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(statement).fetchall()


def schema(path: Path) -> list[tuple[object, ...]]:
    """All that the catalog says but of SQLite's own tables, which nobody can drop, and the journal mode."""
    catalog = "select type, name, tbl_name, sql from sqlite_master where name not like 'sqlite!_%' escape '!'"
    return [*rows(path, f"{catalog} order by 1, 2"), *rows(path, "pragma journal_mode")]
