"""The command line: `python -m benchmarks` measures, `python -m benchmarks report` rewrites the docs' page."""

from __future__ import annotations

import argparse
import gc
import resource
import sys
from pathlib import Path

from django.conf import settings

from benchmarks.bench import LOOPS, Bench
from benchmarks.contenders import CACHEX, CONTENDERS, named
from benchmarks.machine import described
from benchmarks.report import newest, save, write_page
from benchmarks.rows import ROWS
from benchmarks.samples import Pace
from benchmarks.servers import KINDS, started
from benchmarks.table import header, lines, summary

__all__ = ["main"]

_USUAL = Pace(rounds=31, seconds=0.04)
_QUICK = Pace(rounds=5, seconds=0.02)


def _arguments(words: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("action", nargs="?", choices=["run", "report"], default="run")
    parser.add_argument("result", nargs="?", type=Path, help="report: the JSON to write from (the newest)")
    parser.add_argument("--rows", default="", help="only these rows, with commas between; see --list")
    parser.add_argument("--list", action="store_true", help="print the rows and stop")
    parser.add_argument("--rounds", type=int, help=f"rounds per row ({_USUAL.rounds}; quick: {_QUICK.rounds})")
    parser.add_argument("--quick", action="store_true", help="few and short rounds: to see that it works, not how well")
    parser.add_argument("--loop", choices=[loop.name for loop in LOOPS], help="only this event loop (both)")
    parser.add_argument("--server", choices=KINDS, default=KINDS[0], help=f"the server to start ({KINDS[0]})")
    parser.add_argument(
        "--subject",
        choices=[contender.name for contender in CONTENDERS],
        default=CACHEX.name,
        help=f"whose figures are held against the targets ({CACHEX.name})",
    )
    return parser.parse_args(words)


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def _allow_many_connections() -> None:
    """Raise the limit of open files: some contenders open a connection per task, and the server must let them."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _run(arguments: argparse.Namespace) -> None:
    wanted = [name for name in arguments.rows.split(",") if name]
    unknown = set(wanted) - {row.name for row in ROWS}
    if unknown:
        raise SystemExit(f"no such row: {', '.join(sorted(unknown))}; --list prints them")
    settings.configure()
    _allow_many_connections()
    usual = _QUICK if arguments.quick else _USUAL
    pace = Pace(arguments.rounds or usual.rounds, usual.seconds)
    loops = tuple(loop for loop in LOOPS if arguments.loop in {None, loop.name})
    outcomes = []
    with started(arguments.server) as server:
        bench = Bench(server, pace, arguments.quick, loops, named(arguments.subject))
        machine = described(bench)
        _say(header(machine, {contender.name: contender.versions() for contender in bench.contenders}))
        gc.freeze()  # collecting before every batch then looks at little
        for row in ROWS:
            if not wanted or row.name in wanted:
                for outcome in row.measure(bench):
                    outcomes.append(outcome)
                    _say(lines(outcome))
    _say(summary(outcomes))
    # Half a run must not stand in the docs as if it were a whole one.
    if not (wanted or arguments.quick or arguments.loop or arguments.subject != CACHEX.name):
        result = save(machine, outcomes)
        _say(f"\n{result}\n{write_page(result)}")


def main(words: list[str]) -> None:
    """Do what the command line says."""
    arguments = _arguments(words)
    if arguments.list:
        for row in ROWS:
            _say(f"{row.name:<22} {row.title}")
    elif arguments.action == "report":
        _say(str(write_page(arguments.result.resolve() if arguments.result else newest())))
    else:
        _run(arguments)


if __name__ == "__main__":
    main(sys.argv[1:])
