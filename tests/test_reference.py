"""The reference pages: every method is on one of them, and what is written from a docstring says all that it does."""

from __future__ import annotations

import importlib.util
import inspect
import re
from typing import TYPE_CHECKING, Any

import pytest

from django_cachex.cache import RedisCache
from django_cachex.client.pipeline import Pipeline
from django_cachex.commands.hashes import HashCommands
from tests.pages import ROOT

if TYPE_CHECKING:
    from pathlib import Path
    from types import ModuleType

__all__: list[str] = []

_PAGES = sorted((ROOT / "docs/reference").glob("*.md"))
# What the guide to keys tells: helpers that ask no server; and what is still to come.
_ELSEWHERE = {"make_key", "validate_key", "make_and_validate_key", "make_pattern", "reverse_key", "get_backend_timeout"}
_ELSEWHERE |= {"encode", "decode", "lock", "semaphore"}


def _load() -> ModuleType:
    spec = importlib.util.spec_from_file_location("methods", ROOT / "docs/methods.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


methods: Any = _load()


def _names(owner: type[Any]) -> set[str]:
    names = {name for name in dir(owner) if not name.startswith("_") and callable(getattr(owner, name, None))}
    return {name for name in names if not (name.startswith("a") and name[1:] in names)}


def test_every_method_is_on_one_page() -> None:
    shown = [
        name
        for page in _PAGES
        for owner, names in methods.wanted(page.read_text()).items()
        for name in names
        if hasattr(RedisCache, name) and owner.__module__ != "django_cachex.client.raw"
    ]
    assert sorted(shown) == sorted(set(shown))
    assert _names(RedisCache) - set(shown) <= _ELSEWHERE | {"get_async_client"}


@pytest.mark.parametrize("page", _PAGES, ids=lambda page: page.name)
def test_pages(page: Path) -> None:
    """Each wanted method has its heading, its signature and its docstring's sections; nothing is left to fill in."""
    text = page.read_text()
    made = methods.on_page_markdown(text)
    assert "<!-- methods" not in made
    for owner, names in methods.wanted(text).items():
        for name in names:
            part = made.split(f"\n### {name}\n", 1)[1].split("\n### ", 1)[0]
            assert f"```python\n{name}(" in part
            document = inspect.getdoc(getattr(methods.home_of(owner), name)) or ""
            for title, shown in (("Args", "Arguments"), ("Returns", "Returns"), ("Raises", "Raises")):
                assert (f"\n{title}:\n" in document) == (f"**{shown}**" in part), name
    # Declarations build commands; methods return what comes of them.
    assert not re.search(r"-> (Command|Built|Steps|Stream)\[", made)


def test_queueing_is_told() -> None:
    """Whether a method can be queued is asked of the pipelines themselves."""
    made = methods.on_page_markdown((ROOT / "docs/reference/lists.md").read_text())
    for name in ("lpush", "blpop"):
        part = made.split(f"\n### {name}\n", 1)[1].split("\n### ", 1)[0]
        assert f"on pipelines: {'yes' if hasattr(Pipeline, name) else 'no'}" in part


def test_docstring_to_markdown() -> None:
    """Lines of an item are put together, sections become lists, the summary stays as it is."""
    text = "Do it (IT).\n\nMore.\n\nArgs:\n    a: one\n        and a half.\n    b: two.\n\nReturns:\n    It\n    all."
    assert list(methods.documented(text)) == [
        "Do it (IT).\n\nMore.",
        "",
        *("**Arguments**", "", "- `a`: one and a half.", "- `b`: two.", ""),
        *("**Returns**", "", "It all.", ""),
    ]


def test_twins_are_left_out() -> None:
    """A twin is told of beside its method, not again."""
    names = methods.names_of(HashCommands)
    assert "hset" in names
    assert "ahset" not in names
    assert "async: `await ahset(...)`" in methods.on_page_markdown((ROOT / "docs/reference/hashes.md").read_text())
