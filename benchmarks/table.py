"""The run as a person reads it in a terminal, row by row as they are done."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from benchmarks.figures import Figure, Outcome

__all__ = ["header", "lines", "number", "summary", "target", "verdict"]


def number(value: float, unit: str) -> str:
    """Return a value as briefly as it can be told without loss of what matters."""
    if unit == "x":
        return f"{value:.2f} x" if value < 100 else f"{value:.0f} x"
    text = f"{value:.0f}" if value == int(value) else f"{value:.1f}"
    return f"{text} {unit}".rstrip()


def target(figure: Figure) -> str:
    """Return what the figure has to reach, as short as it was set; nothing for a figure that has no target."""
    return "" if figure.target is None else f"{figure.sense} {figure.target:g} {figure.unit}".rstrip()


def verdict(figure: Figure) -> str:
    """Return whether the figure's target is reached; nothing for a figure that has none."""
    if figure.target is None:
        return ""
    word = "reached" if figure.reached else "NOT reached"
    return f"{target(figure)}: {word}"


def header(machine: Mapping[str, object], versions: Mapping[str, str]) -> str:
    """Return what was measured on what."""
    found = [
        f"{machine['python']}, server {machine['server']}, uvloop {machine['uvloop']}, uvicorn {machine['uvicorn']}",
        f"{machine['processor']}, {machine['cores']} cores, load {machine['load_before']:.2f}; {machine['system']}",
        f"{machine['rounds']} interleaved rounds of {machine['seconds_per_batch']} s per contender; medians",
        *(f"  {name:<14} {text}" for name, text in versions.items()),
    ]
    return "\n".join(found)


def lines(outcome: Outcome) -> str:
    """Return one row: everyone's rates, then the subject's figures."""
    title = outcome.title if outcome.loop is None else f"{outcome.title} [{outcome.loop}]"
    found = ["", title]
    if outcome.rates:
        found[-1] = f"{title:<66}{outcome.unit + 's/s':>12}{'CPU us':>10}{'spread':>9}"
    for name, rate in outcome.rates.items():
        spread = f"{rate.spread:.0%}" if rate.spread else ""
        found.append(f"  {name:<64}{rate.rate:>12,.0f}{rate.cost:>10,.1f}{spread:>9}  {rate.remark}".rstrip())
    found += [
        f"    {number(figure.value, figure.unit):>10}  {figure.text:<54} {verdict(figure)}".rstrip()
        for figure in outcome.figures
    ]
    return "\n".join(found)


def summary(outcomes: Iterable[Outcome]) -> str:
    """Return how many targets were reached, and the ones that were not."""
    judged = [(outcome, figure) for outcome in outcomes for figure in outcome.figures if figure.target is not None]
    missed = [(outcome, figure) for outcome, figure in judged if not figure.reached]
    found = ["", f"{len(judged) - len(missed)} of {len(judged)} targets reached"]
    for outcome, figure in missed:
        loop = f" [{outcome.loop}]" if outcome.loop else ""
        found.append(
            f"  NOT: {outcome.title}{loop}: {number(figure.value, figure.unit)} {figure.text}, {verdict(figure)}"
        )
    return "\n".join(found)
