"""Each entry of the catalogue can be obeyed, and the table in the documentation is drawn from it."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping

import pytest

from . import table
from .catalogue import FOLDER, Safeguard, Wrong, hunts, load, read
from .hunters import HUNTERS


def test_each_entry_can_be_obeyed() -> None:
    assert len(load()) >= 60


def test_each_hunter_has_something_to_find() -> None:
    assert {hunt.hunter for _, hunt in hunts(load())} == HUNTERS.keys()


def test_the_table_is_that_of_the_catalogue() -> None:
    page = table.PAGE.read_text("utf-8")
    numbers = table.measured(page)
    assert page == table.put(page, table.draw(read(), numbers)), "run make mutants"
    late = [
        (one.name, hunt.hunter)
        for one, hunt in hunts(load())
        if not hunt.first <= numbers.get((one.name, hunt.hunter), 0) <= hunt.within
    ]
    assert late == [], "run make mutants"


@pytest.mark.parametrize(
    "wrong",
    [
        {"find": "stands nowhere"},
        {"find": "self"},
        {"hunts": []},
        {"hunts": [{"hunter": "nobody", "within": 5}]},
        {"hunts": [{"hunter": "collection", "within": 0}]},
        {"hunts": [{"hunter": "collection", "within": 5, "first": 6}]},
        {"hunts": [{"hunter": "collection", "within": 5}, {"hunter": "collection", "within": 6}]},
        {"also": [{"find": "stands nowhere", "replace": ""}]},
        {"promise": "G9"},
        {"protects": "no sentence"},
    ],
)
def test_an_entry_that_cannot_be_obeyed_is_refused(wrong: Mapping[str, object]) -> None:
    content = tomllib.loads((FOLDER / "5_python.toml").read_text("utf-8"))
    entry = content["safeguard"][0]
    Safeguard.load(entry).check()
    with pytest.raises(Wrong):
        Safeguard.load({**entry, **wrong}).check()
