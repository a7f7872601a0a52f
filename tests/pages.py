"""Runs the Python in Markdown pages, so that README and docs cannot say what is not true.

A page's blocks marked `python` run in order and share their names, on an empty database. An expression with a comment
`# -> value` must give that value. A block titled `settings.py` is a piece of a settings module: each cache in it is
built, and nothing connects. A block under a line `<!-- not run: why -->` is left alone.
"""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.core.cache import CacheHandler

__all__ = ["ROOT", "Block", "WrongAnswerError", "blocks_of", "pages", "run", "run_settings"]

ROOT = Path(__file__).resolve().parents[1]
_FENCE = re.compile(r"^(?P<indent> *)```(?P<info>.*)$")
_ANSWER = re.compile(r"#\s*->\s*(?P<value>.+)$")
_NOT_RUN = re.compile(r"<!-- not run: .+ -->\s*$")


class WrongAnswerError(AssertionError):
    """A page promises another value than the code gives."""


@dataclass(frozen=True)
class Block:
    """One fenced block of Python.

    Attributes:
        page: Where it is.
        line: The line of its first line of code, from 1.
        code: The code, without the fence's indentation.
        is_settings: Whether it is a piece of a settings module.
    """

    page: Path
    line: int
    code: str
    is_settings: bool

    def __str__(self) -> str:
        """Tell where it is, as editors understand it."""
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def pages() -> list[Path]:
    """Return README.md and every page under docs/."""
    return [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def blocks_of(page: Path) -> list[Block]:
    """Return the blocks of a page that are to be run, in order.

    Raises:
        ValueError: A fence is not closed.
    """
    found = []
    opened: tuple[int, str, str] | None = None
    before = ""
    lines = page.read_text().splitlines()
    skipped = False
    for number, line in enumerate(lines, start=1):
        fence = _FENCE.match(line)
        if opened is None and fence is not None:
            opened = (number, fence["indent"], fence["info"].strip())
            skipped = _NOT_RUN.search(before) is not None
        elif opened is not None and fence is not None and not fence["info"].strip():
            start, indent, info = opened
            if info.split(" ")[0] == "python" and not skipped:
                code = "\n".join(text.removeprefix(indent) for text in lines[start : number - 1])
                found.append(Block(page, start + 1, code, 'title="settings.py"' in info))
            opened = None
        if line.strip():
            before = line
    if opened is not None:
        msg = f"{page}:{opened[0]}: this block is not closed"
        raise ValueError(msg)
    return found


def run(block: Block, names: dict[str, Any]) -> None:
    """Run a block statement by statement and check the answers that it promises.

    Args:
        block: What to run.
        names: The page's names so far; the block adds its own.

    Raises:
        WrongAnswerError: An expression gives another value than its comment says.
        Exception: What the code itself raises.
    """
    tree = ast.parse(block.code, str(block))
    lines = block.code.splitlines()
    for statement in tree.body:
        answer = _ANSWER.search(lines[(statement.end_lineno or statement.lineno) - 1])
        ast.increment_lineno(statement, block.line - 1)
        if answer is None or not isinstance(statement, ast.Expr):
            exec(compile(ast.Module([statement], []), str(block.page), "exec"), names)  # noqa: S102  our own pages
            continue
        given = eval(compile(ast.Expression(statement.value), str(block.page), "eval"), names)  # noqa: S307
        promised = ast.literal_eval(answer["value"])
        if not _same(given, promised):
            msg = f"{block.page.relative_to(ROOT)}:{statement.lineno}: promises {promised!r}, gives {given!r}"
            raise WrongAnswerError(msg)


def _same(given: object, promised: object) -> bool:
    # True == 1 and False == 0, but whoever reads a page does not take one for the other.
    if isinstance(given, bool) is not isinstance(promised, bool):
        return False
    return isinstance(given, type(promised)) and bool(given == promised)


def run_settings(block: Block, names: dict[str, Any]) -> dict[str, Any]:
    """Run a piece of a settings module and build each cache of its CACHES; nothing connects.

    Args:
        block: What to run.
        names: What a settings module has above this piece, such as BASE_DIR.

    Returns:
        The names that it defines, those given included.
    """
    exec(compile(block.code, str(block), "exec"), names)  # noqa: S102  our own pages
    handler = CacheHandler(names.get("CACHES", {}))
    for alias in names.get("CACHES", {}):
        cache: Any = handler[alias]
        assert cache._cache is not None
    return names
