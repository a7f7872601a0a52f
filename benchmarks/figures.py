"""What a row says: rates side by side, and figures with the target each has to reach."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from benchmarks.samples import Series

__all__ = ["Figure", "Outcome", "Rate", "at_least", "at_most", "observed", "rates"]

type Unit = Literal["x", "us", "ms", "MB", ""]


@dataclass(frozen=True, slots=True)
class Figure:
    """One number of ours, and whether it is as good as it has to be."""

    text: str
    value: float
    unit: Unit
    target: float | None = None
    sense: Literal["at least", "at most"] = "at least"

    @property
    def reached(self) -> bool | None:
        """Whether the target is met; None for a figure that has none."""
        if self.target is None:
            return None
        return self.value >= self.target if self.sense == "at least" else self.value <= self.target


def at_least(target: float, value: float, text: str, unit: Unit = "x") -> Figure:
    """Return a figure that must not fall below `target`."""
    return Figure(text, value, unit, target, "at least")


def at_most(target: float, value: float, text: str, unit: Unit = "x") -> Figure:
    """Return a figure that must not rise above `target`."""
    return Figure(text, value, unit, target, "at most")


def observed(value: float, text: str, unit: Unit = "x") -> Figure:
    """Return a figure that is only told."""
    return Figure(text, value, unit)


@dataclass(frozen=True, slots=True)
class Rate:
    """What one contender did in a row: operations per second, CPU us per operation, relative spread, remarks."""

    rate: float
    cost: float
    spread: float = 0.0
    remark: str = ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """A row once measured: its name, what was done, on which loop, everyone's rates, our figures."""

    row: str
    title: str
    loop: str | None
    figures: tuple[Figure, ...]
    rates: Mapping[str, Rate] = field(default_factory=dict)
    unit: str = "op"

    def as_json(self) -> dict[str, object]:
        """Return plain data, `reached` included."""
        plain = asdict(self)
        plain["figures"] = [{**asdict(figure), "reached": figure.reached} for figure in self.figures]
        return plain


def rates(found: Mapping[str, Series]) -> dict[str, Rate]:
    """Return the medians of interleaved samples."""
    return {name: Rate(series.rate, series.cost, series.spread) for name, series in found.items()}
