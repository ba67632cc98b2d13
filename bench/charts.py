"""Charts of what was found, as PNG files. Matplotlib is needed here only, and loaded when a chart is drawn."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from .outcome import Chart, Outcome

SIZE = (8.0, 4.8)
DOTS = 110


def draw(outcome: Outcome, folder: Path, stem: str) -> Sequence[str]:
    """Draw the charts of a scenario; the names of their files."""
    names = []
    for each, chart in enumerate(outcome.charts):
        name = f"{stem}-{outcome.letter}{each or ''}.png"
        _draw(chart, folder / name)
        names.append(name)
    return names


def _draw(chart: Chart, path: Path) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=SIZE, dpi=DOTS, layout="constrained")
    axes = figure.add_subplot()
    for curve in chart.curves:
        label = f"{curve.name} (exponent {curve.exponent:.2f})" if chart.exponents else curve.name
        axes.plot(curve.xs, curve.ys, marker="o", label=label)
    axes.set(title=chart.title, xlabel=chart.x, ylabel=chart.y, xscale="log", yscale="log")
    axes.grid(visible=True, which="both", alpha=0.25)
    axes.legend()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path)
