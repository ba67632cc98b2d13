"""Options by the environment: each of the commands that serve has a variable, which is shown, read and named."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest
import typer

from livecollections.cli import cli
from livecollections.cli.logs import Level

from .command import ROOT, command, finished

COMMANDS: Any = typer.main.get_command(cli)
OPTIONS = [
    pytest.param(name, option, id=f"{name} {option.opts[0]}")
    for name in ("run", "serve", "demo")
    for option in COMMANDS.commands[name].params
    if option.param_type_name == "option"
]
ARGUMENTS = {"run": ["shop:app"], "serve": ["sqlite:///shop.db"], "demo": []}
VALUES: dict[str, tuple[str, Any]] = {
    "bool": ("true", True),
    "int range": ("7", 7),
    "list[str]": ("one two", ["one", "two"]),
    "str": ("other", "other"),
    "enum": ("error", Level.ERROR),
}
"""By the kind of an option: what a variable may hold, and what that is."""


def variable(option: Any) -> str:
    return f"LIVECOLLECTIONS_{option.opts[0].removeprefix('--').replace('-', '_').upper()}"


def kind(option: Any) -> str:
    if option.multiple:
        return "list[str]"
    if isinstance(option.default, Level):
        return "enum"
    if option.is_flag:
        return "bool"
    return "int range" if isinstance(option.default, int) else "str"


def parsed(name: str, *arguments: str) -> dict[str, Any]:
    given = [*arguments, *ARGUMENTS[name]]
    told: dict[str, Any] = COMMANDS.commands[name].make_context(name, given).params
    return told


@pytest.mark.parametrize(("name", "option"), OPTIONS)
def test_each_option_is_read_from_its_variable(
    name: str, option: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    text, value = ("0", False) if option.default is True else VALUES[kind(option)]
    assert parsed(name)[option.name] != value
    monkeypatch.setenv(variable(option), text)
    found = parsed(name)[option.name]
    assert (list(found) if option.multiple else found) == value
    monkeypatch.setenv(variable(option), "")
    assert parsed(name)[option.name] in (option.default, None, ()), "an empty one is none"


@pytest.mark.parametrize(("name", "option"), OPTIONS)
def test_each_variable_is_in_the_help_and_in_the_docs(name: str, option: Any) -> None:
    assert variable(option) in _help(name)
    assert f"`{variable(option)}`" in (ROOT / "docs" / "howto" / "configuration.md").read_text("utf-8")


_shown: dict[str, str] = {}


def _help(name: str) -> str:
    if name not in _shown:
        _shown[name] = finished(name, "--help", cwd=ROOT).stdout
    return _shown[name]


def test_the_command_line_comes_before_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIVECOLLECTIONS_PORT", "7")
    assert parsed("run", "--port", "8")["port"] == 8


def test_values_of_one_variable_are_told_apart_as_in_a_shell(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIVECOLLECTIONS_TABLE", "orders \"order items\" 'a, b' c,d")
    assert parsed("serve")["table"] == ["orders", "order items", "a, b", "c,d"]
    assert parsed("serve", "--table", "one")["table"] == ["one"]


def test_a_table_whose_name_has_a_space_is_served(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "shop.db")) as connection:
        connection.execute('create table "order items" (id integer primary key, article text)')
    named = {
        "LIVECOLLECTIONS_TABLE": '"order items"',
        "LIVECOLLECTIONS_YES": "1",
        "LIVECOLLECTIONS_PORT": "0",
    }
    with command("serve", "sqlite:///shop.db", cwd=tmp_path, env=named) as served:
        assert httpx.get(f"{served.address()}/api/order%20items").json() == []


@pytest.mark.parametrize("name", ARGUMENTS)
def test_no_variable_asks_for_help(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIVECOLLECTIONS_HELP", "1")
    assert parsed(name)["host"] == "127.0.0.1"


@pytest.mark.parametrize("options", [(), ("--workers", "2"), ("--reload",)], ids=["one", "workers", "reload"])
def test_a_variable_has_an_application_serve_its_figures(options: tuple[str, ...], tmp_path: Path) -> None:
    (tmp_path / "shop.py").write_text(
        'from livecollections import Live\n\nlive = Live("sqlite:///shop.db")\n'
    )
    asked = {"LIVECOLLECTIONS_METRICS": "1"}
    with command("run", "shop:live", "--port", "0", *options, cwd=tmp_path, env=asked) as run:
        figures = httpx.get(f"{run.address()}/live/metrics", timeout=20)
    assert (figures.status_code, "livecollections_info" in figures.text) == (200, True)


def test_an_application_without_a_live_has_no_figures(tmp_path: Path) -> None:
    (tmp_path / "plain.py").write_text("async def app(scope, receive, send): ...\n")
    run = finished("run", "plain:app", "--metrics", cwd=tmp_path)
    assert (run.returncode, run.stderr.count("\n")) == (2, 1)
    assert "Live(metrics=True)" in run.stderr


def test_no_other_command_has_such_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIVECOLLECTIONS_YES", "1")
    context = COMMANDS.commands["uninstall"].make_context("uninstall", ["sqlite:///shop.db"])
    assert context.params["yes"] is False


@pytest.mark.parametrize(
    ("name", "variable", "value"),
    [
        ("demo", "LIVECOLLECTIONS_PORT", "tcp://10.0.0.1:80"),
        ("run", "LIVECOLLECTIONS_WORKERS", "0"),
        ("run", "LIVECOLLECTIONS_RELOAD", "perhaps"),
        ("serve", "LIVECOLLECTIONS_WRITE", "2"),
        ("serve", "LIVECOLLECTIONS_LOG_LEVEL", "loud"),
        ("serve", "LIVECOLLECTIONS_TABLE", "'orders"),
    ],
)
def test_a_wrong_value_is_one_line_that_names_the_variable(
    name: str, variable: str, value: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, value)
    run = finished(name, *ARGUMENTS[name], cwd=tmp_path)
    assert run.returncode == 2
    assert run.stderr.endswith(f"(from {variable})\n")
    assert run.stderr.count("\n") == 1


def test_a_wrong_option_names_no_variable(tmp_path: Path) -> None:
    assert "LIVECOLLECTIONS" not in finished("demo", "--port", "x", cwd=tmp_path).stderr
