"""An edition of Django: its environment, and the tests of its source distribution."""

from __future__ import annotations

import functools
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path

from tests.django_suite.backends import OURS, THEIRS
from tests.django_suite.substitution import substituted

__all__ = ["EDITIONS", "ROOT", "Edition"]

ROOT = Path(__file__).parents[2]
_CACHE = ROOT / ".cache" / "django-suite"


@dataclass(frozen=True)
class Edition:
    """One series of Django.

    Attributes:
        series: As in `"5.2"`; names the lock file too.
        pythons: The Pythons to prefer, best first; then the one that runs this, which is the newest found.
    """

    series: str
    pythons: tuple[str, ...] = ()

    @functools.cached_property
    def lock(self) -> Path:
        """The lock file that says which release it is."""
        return ROOT / "requirements" / f"django-{self.series}.txt"

    @functools.cached_property
    def version(self) -> str:
        """The release, as in `"5.2.8"`."""
        match = re.search(r"^django==(\S+)", self.lock.read_text(), re.MULTILINE)
        if match is None:
            raise ValueError(f"{self.lock} does not name a release of Django")
        return match[1]

    @functools.cached_property
    def interpreter(self) -> Path:
        """The Python that its environment is made with."""
        if not self.pythons:
            return Path(sys.executable)
        words = [str(ROOT / "scripts" / "find-python"), *self.pythons]
        found = subprocess.run(words, capture_output=True, text=True, check=False).stdout.strip()
        return Path(found or sys.executable)

    @functools.cached_property
    def python_version(self) -> str:
        """The version of that Python, as in `"3.13"`."""
        words = [str(self.interpreter), "-c", "import sys; print('%d.%d' % sys.version_info[:2])"]
        return subprocess.run(words, capture_output=True, text=True, check=True).stdout.strip()

    @property
    def home(self) -> Path:
        """Where everything of it is kept from run to run."""
        return _CACHE / f"{self.version}-py{self.python_version}"

    @property
    def python(self) -> Path:
        """The Python of its environment."""
        return self.home / "venv" / "bin" / "python"

    def prepare(self) -> None:
        """Make its environment and its trees of tests, as far as they are not there from the run before."""
        self.home.mkdir(parents=True, exist_ok=True)
        self._make_environment()
        own = self.home / THEIRS.tree
        if not (own / "runtests.py").exists():
            self._unpack()
        source = (own / "cache" / "tests.py").read_text()
        for backend in OURS:
            tree = self.home / backend.tree
            if not (tree / "runtests.py").exists():
                shutil.copytree(own, tree)
            # Always, as it costs nothing and the substitution may have changed.
            (tree / "cache" / "tests.py").write_text(substituted(source, backend))

    def install(self, wheel: Path) -> None:
        """Put the package under test into its environment."""
        self._pip("install", "--no-deps", "--force-reinstall", str(wheel))

    def _make_environment(self) -> None:
        stamp, locked = self.home / "locked", self.lock.read_text()
        if stamp.exists() and stamp.read_text() == locked:
            return
        subprocess.run([self.interpreter, "-m", "venv", "--clear", self.home / "venv"], check=True)
        self._pip("install", "--require-hashes", "-r", str(self.lock))
        stamp.write_text(locked)

    def _unpack(self) -> None:
        # The wheel has no tests. pip, not a URL of our own, so that mirrors and proxies of this machine apply.
        with tempfile.TemporaryDirectory() as directory:
            only = Path(directory, "django.txt")
            stanza = re.search(r"^django==(?:.*\\\n)*.*\n", self.lock.read_text(), re.MULTILINE)
            assert stanza is not None
            only.write_text(stanza[0])
            self._pip(
                "download",
                "--no-deps",
                "--no-binary",
                ":all:",
                "--dest",
                directory,
                "--require-hashes",
                "-r",
                str(only),
            )
            (archive,) = Path(directory).glob("*.tar.gz")
            with tarfile.open(archive) as source:
                source.extractall(directory, filter="data")
            (tree,) = Path(directory).glob("*/tests")
            for backend in (THEIRS, *OURS):
                shutil.rmtree(self.home / backend.tree, ignore_errors=True)
            shutil.copytree(tree, self.home / THEIRS.tree)

    def _pip(self, *words: str) -> None:
        subprocess.run([self.python, "-m", "pip", "--quiet", "--disable-pip-version-check", *words], check=True)


#: Newest first. Django 4.2 supports Pythons up to 3.12; on a machine without, it has to do with what is there.
EDITIONS = (Edition("6.1"), Edition("5.2"), Edition("4.2", ("3.12",)))
