"""What was found, as tables on a terminal and as a file to keep."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from .outcome import Outcome, Ratio

_LEFT = ("who", "case", "unit")


def show(console: Console, outcome: Outcome) -> None:
    """Print a scenario's figures and ratios."""
    table = Table(title=_title(outcome), title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    columns = _columns(outcome)
    for column in columns:
        table.add_column(column, justify="left" if column in _LEFT else "right", overflow="fold")
    for cells in _rows(outcome):
        table.add_row(*(cells.get(column, "") for column in columns))
    console.print(table)
    for ratio in outcome.ratios:
        console.print(Text(_sentence(ratio), style="green" if ratio.is_reached else "red"))
    for remark in outcome.remarks:
        console.print(Text(remark, style="dim"))


def show_ratios(console: Console, outcomes: Sequence[Outcome]) -> None:
    """Print the ratios of all, beside what is needed."""
    table = Table(title="Ratios of medians", title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for column in ("", "", "found", "needed", ""):
        table.add_column(column, justify="right" if column else "left", overflow="fold")
    for outcome in outcomes:
        for ratio in outcome.ratios:
            cells = (outcome.letter, ratio.what, f"{ratio.value:.2f}", _needed(ratio), _verdict(ratio))
            table.add_row(
                *cells, style="" if ratio.needed is None else "green" if ratio.is_reached else "red"
            )
    console.print(table)


def write(
    path: Path,
    facts: Mapping[str, str],
    outcomes: Sequence[Outcome],
    charts: Mapping[str, Sequence[str]],
    how: str,
) -> None:
    """Write all of a run.

    Args:
        charts: by letter, the names of the files beside it.
        how: the command and what its rounds were.
    """
    lines = [f"# {path.stem}", "", how, "", "| | |", "|---|---|"]
    lines += [f"| {name} | {value} |" for name, value in facts.items()]
    needed = [(outcome.letter, ratio) for outcome in outcomes for ratio in outcome.ratios]
    if needed:
        lines += ["", "## Ratios of medians", "", "| | | found | needed | |", "|---|---|---:|---:|---|"]
        lines += [
            f"| {letter} | {ratio.what} | {ratio.value:.2f} | {_needed(ratio)} | {_verdict(ratio)} |"
            for letter, ratio in needed
        ]
    for outcome in outcomes:
        lines += _section(outcome, charts.get(outcome.letter, ()))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n", "utf-8")


def _section(outcome: Outcome, charts: Sequence[str]) -> list[str]:
    columns = _columns(outcome)
    lines = ["", f"## {_title(outcome)}", "", "| " + " | ".join(columns) + " |"]
    lines.append("|" + "|".join("---" if name in _LEFT else "---:" for name in columns) + "|")
    lines += [
        "| " + " | ".join(cells.get(column, "") for column in columns) + " |" for cells in _rows(outcome)
    ]
    for remark in outcome.remarks:
        lines += ["", remark]
    for chart in charts:
        lines += ["", f"![{outcome.title}]({chart})"]
    return lines


def _title(outcome: Outcome) -> str:
    units = {figures.unit for figures in outcome.figures}
    return f"{outcome.letter}. {outcome.title}" + (f", {units.pop()}" if len(units) == 1 else "")


def _columns(outcome: Outcome) -> list[str]:
    return list(dict.fromkeys(name for cells in _rows(outcome) for name in cells))


def _rows(outcome: Outcome) -> Iterator[dict[str, str]]:
    has_units = len({figures.unit for figures in outcome.figures}) > 1
    for figures in outcome.figures:
        cells = {"who": figures.of, "case": figures.case, "median": number(figures.median)}
        if len(figures.values) > 1:
            cells |= {"min": number(min(figures.values)), "max": number(max(figures.values))}
        if has_units:
            cells["unit"] = figures.unit
        if figures.per_core is not None:
            cells["per core"] = number(figures.per_core)
        yield {**cells, **figures.notes}


def number(value: float) -> str:
    """Three digits that count, or all in front of the point."""
    if value >= 100 or value == 0:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}" if value >= 1 else f"{value:.3f}"


def _needed(ratio: Ratio) -> str:
    return "" if ratio.needed is None else f"{ratio.needed:g}"


def _verdict(ratio: Ratio) -> str:
    return "" if ratio.needed is None else "reached" if ratio.is_reached else "not reached"


def _sentence(ratio: Ratio) -> str:
    needed = f" (needed: {_needed(ratio)}, {_verdict(ratio)})" if ratio.needed is not None else ""
    return f"{ratio.what}: {ratio.value:.2f}{needed}"
