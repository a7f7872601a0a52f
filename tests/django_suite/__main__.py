"""`python -m tests.django_suite [series ...]`: run Django's tests and compare."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from tests.django_suite.backends import OURS, STANDALONE, THEIRS
from tests.django_suite.edition import EDITIONS, ROOT
from tests.django_suite.run import Outcome, run
from tests.servers import FAMILIES

if TYPE_CHECKING:
    from concurrent.futures import Future

    from tests.django_suite.backends import Backend
    from tests.django_suite.edition import Edition
    from tests.servers import Family

__all__ = ["main"]


def build_wheel(interpreter: Path, python_version: str) -> Path:
    """Build the package for a Python.

    Args:
        interpreter: The Python.
        python_version: Its version, as in `"3.13"`.

    Returns:
        The wheel.
    """
    out = ROOT / ".cache" / "wheels" / f"py{python_version}"
    for old in out.glob("*.whl"):
        old.unlink()
    maturin = Path(sys.executable).with_name("maturin")
    subprocess.run(
        [maturin, "build", "--quiet", "--profile", "fast", "--interpreter", interpreter, "--out", out],
        cwd=ROOT,
        env={**os.environ, "CARGO_TARGET_DIR": str(_target(python_version))},
        check=True,
    )
    (wheel,) = out.glob("*.whl")
    return wheel


def _target(python_version: str) -> Path:
    """Return where cargo builds for a Python: two of them in one directory would undo each other's work every time."""
    target = ROOT / "target"
    if python_version == f"{sys.version_info.major}.{sys.version_info.minor}":
        return target
    other = target / f"py{python_version}"
    if not other.exists() and (target / "fast").exists():
        # Nine tenths of a build know nothing of Python: cargo takes them over as they are.
        shutil.copytree(target / "fast", other / "fast", symlinks=True)
    return other


def baseline(edition: Edition, family: Family) -> Outcome:
    """Return what Django's own backend makes of the tests; measured once for each lock and server."""
    name = f"baseline-{family.name}-{'.'.join(map(str, family.version))}.json"
    kept = edition.home / name
    if kept.exists() and kept.stat().st_mtime > edition.lock.stat().st_mtime:
        return Outcome(json.loads(kept.read_text()), "")
    outcome = run(edition, family, THEIRS)
    kept.write_text(json.dumps(dict(outcome.tests)))
    return outcome


def _where(edition: Edition, family: Family) -> str:
    return f"Django {edition.version} (Python {edition.python_version}, {family.name})"


def report(edition: Edition, family: Family, backend: Backend, theirs: Outcome, ours: Outcome) -> bool:
    """Print what came of one run; return whether it holds."""
    print(f"{_where(edition, family)}: on {backend.name}: {ours.summary}")
    faults = [f"failed: {test}" for test in sorted(ours.ending("failed"))]
    faults += [f"skipped here only: {test}" for test in sorted(ours.ending("skipped") - theirs.ending("skipped"))]
    faults += [f"did not run here: {test}" for test in sorted(theirs.tests.keys() - ours.tests.keys())]
    if not ours.tested_the_backend:
        faults.append("RedisCacheTests did not run")
    if faults:
        print(ours.output)
        print(*faults, sep="\n")
    return not faults


def main() -> int:
    """Run the editions, report, and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.django_suite", description=__doc__)
    parser.add_argument("series", nargs="*", help="as in 5.2; all without")
    parser.add_argument("--baseline", action="store_true", help="Django's own backend only")
    options = parser.parse_args()
    editions = [edition for edition in EDITIONS if not options.series or edition.series in options.series]
    began = time.monotonic()
    wheels: dict[str, Path] = {}
    runs: list[tuple[Edition, Family, Future[Outcome], dict[Backend, Future[Outcome]]]] = []
    # Django's tests sleep most of the time, for values to expire: while one edition runs, the next one is prepared.
    with ThreadPoolExecutor(max_workers=2 * (os.cpu_count() or 1)) as pool:
        for edition in editions:
            edition.prepare()
            if not options.baseline:
                version = edition.python_version
                if version not in wheels:
                    wheels[version] = build_wheel(edition.interpreter, version)
                edition.install(wheels[version])
            # The newest Django with every backend on every server program, the others with the plain one on the first.
            newest = edition is editions[0]
            backends = () if options.baseline else OURS if newest else (STANDALONE,)
            for family in FAMILIES if newest else FAMILIES[:1]:
                theirs = pool.submit(baseline, edition, family)
                ours = {backend: pool.submit(run, edition, family, backend) for backend in backends}
                runs.append((edition, family, theirs, ours))
        held = []
        for edition, family, theirs, ours in runs:
            print(f"{_where(edition, family)}: on {THEIRS.name}: {theirs.result().summary}")
            for backend, mine in ours.items():
                held.append(report(edition, family, backend, theirs.result(), mine.result()))
    print(f"Django's own tests: {sum(held)} of {len(held)} runs hold, in {time.monotonic() - began:.0f} s")
    return 0 if all(held) else 1


if __name__ == "__main__":
    sys.exit(main())
