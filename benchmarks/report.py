"""Results on disk: the JSON of a run, and the page of the docs that is written from it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from benchmarks.children import ROOT
from benchmarks.figures import Figure, Outcome, Rate
from benchmarks.table import number, target

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

__all__ = ["PAGE", "RESULTS", "newest", "save", "write_page"]

RESULTS = ROOT / "benchmarks" / "results"
PAGE = ROOT / "docs" / "benchmarks.md"


def save(machine: Mapping[str, object], outcomes: Iterable[Outcome]) -> Path:
    """Write the run to `results/<date>-<python>-<server>.json` and return that path."""
    path = RESULTS / f"{machine['date']}-{machine['python']}-{machine['server']}.json"
    content = {"machine": dict(machine), "outcomes": [outcome.as_json() for outcome in outcomes]}
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(content, indent=1, default=float) + "\n", encoding="utf-8")
    return path


def newest() -> Path:
    """Return the latest result; raises `SystemExit` when there is none."""
    found = sorted(RESULTS.glob("*.json"), key=lambda path: path.stat().st_mtime)
    if not found:
        raise SystemExit("no result yet: run `make bench` first")
    return found[-1]


def _read(path: Path) -> tuple[dict[str, object], list[Outcome]]:
    content = json.loads(path.read_text(encoding="utf-8"))
    outcomes = []
    for plain in content["outcomes"]:
        figures = tuple(
            Figure(one["text"], one["value"], one["unit"], one["target"], one["sense"]) for one in plain["figures"]
        )
        shown = {name: Rate(**rate) for name, rate in plain["rates"].items()}
        outcomes.append(Outcome(plain["row"], plain["title"], plain["loop"], figures, shown, plain["unit"]))
    return content["machine"], outcomes


def _title(outcome: Outcome) -> str:
    return outcome.title if outcome.loop is None else f"{outcome.title} ({outcome.loop})"


def _figures(outcomes: Iterable[Outcome]) -> list[str]:
    found = ["| work | measured | | target | |", "|---|---:|---|---|---|"]
    for outcome in outcomes:
        title = _title(outcome)
        for figure in outcome.figures:
            word = {True: "reached", False: "**not reached**", None: ""}[figure.reached]
            found.append(
                f"| {title} | {number(figure.value, figure.unit)} | {figure.text} | {target(figure)} | {word} |"
            )
            title = ""
    return found


def _rates(outcomes: Iterable[Outcome]) -> list[str]:
    found = []
    for outcome in outcomes:
        if not outcome.rates:
            continue
        found += [
            f"### {_title(outcome)}",
            "",
            f"| | {outcome.unit}s/s | client CPU, us | spread | |",
            "|---|---:|---:|---:|---|",
        ]
        for name, rate in outcome.rates.items():
            spread = f"{rate.spread:.0%}" if rate.spread else ""
            found.append(f"| {name} | {rate.rate:,.0f} | {rate.cost:,.1f} | {spread} | {rate.remark} |")
        found.append("")
    return found


def write_page(result: Path) -> Path:
    """Write the docs' page from the JSON at `result` and return the page's path."""
    machine, outcomes = _read(result)
    contenders = machine["contenders"]
    versions = [f"- {name}: {text}" for name, text in contenders.items()] if isinstance(contenders, dict) else []
    name = result.relative_to(ROOT).as_posix()
    content = [
        "# Benchmarks",
        "",
        f"<!-- Written by `python -m benchmarks report` from {name}; do not edit. -->",
        "",
        "Absolute numbers belong to the machine; what travels is the ratio of two numbers taken side by side. So every",
        "row runs all contenders in short batches, in turn, on one server and with one payload; each figure is the",
        "median of the ratios within the rounds. Two floors show what the machine itself takes: a raw blocking Python",
        "socket that moves the same bytes as our operation, and asyncio tasks whose futures are completed by",
        "`call_soon` without any I/O. `make bench` repeats the run.",
        "",
        f"Run of {machine['date']}: {machine['python']}, {machine['server']}, uvloop {machine['uvloop']},",
        f"uvicorn {machine['uvicorn']}; {machine['processor']}, {machine['cores']} cores shared with others",
        f"(load before the run {machine['load_before']:.2f}); {machine['rounds']} rounds.",
        "",
        *versions,
        "",
        "Each contender runs with the defaults of its own documentation, which includes its serializer.",
        "",
        "## Figures",
        "",
        *_figures(outcomes),
        "",
        "## Everyone's rates",
        "",
        "Medians. *Client CPU* is that of the process that uses the cache, all its threads included, per operation.",
        "*Spread* is the interquartile range of the rates.",
        "",
        *_rates(outcomes),
    ]
    PAGE.write_text("\n".join(content).rstrip() + "\n", encoding="utf-8")
    return PAGE
