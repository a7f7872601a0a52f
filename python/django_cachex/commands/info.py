"""The texts in which servers describe themselves, as dicts."""

from __future__ import annotations

import re
from typing import Any

from django_cachex.commands.replies import text

__all__ = ["parse_client_info", "parse_info"]

# Names and versions may look like numbers: a client called 007, a library at 1.10.
_NUMBER = re.compile(r"-?[0-9]{1,300}(?P<fraction>\.[0-9]+)?", re.ASCII)
# A part of a line that is several: `keys=1`. A path may have a `=` in it.
_PART = re.compile(r"[\w.-]+=.*")
_TEXTS = frozenset({"addr", "cmd", "events", "flags", "laddr", "lib-name", "lib-ver", "name", "user"})


def parse_info(reply: Any) -> dict[str, Any]:
    """Return INFO's reply as a dict; lines like ``db0:keys=1,expires=0`` become dicts themselves."""
    info: dict[str, Any] = {}
    for line in text(reply).splitlines():
        name, colon, value = line.partition(":")
        if colon and not line.startswith("#"):
            info[name] = _value(value)
    return info


def parse_client_info(reply: Any) -> dict[str, Any]:
    """Return CLIENT INFO's reply as a dict; names and versions stay text."""
    fields = (field.partition("=") for field in text(reply).split())
    return {name: value if name in _TEXTS else _number(value) for name, _, value in fields}


def _value(written: str) -> Any:
    parts = written.split(",")
    if all(map(_PART.fullmatch, parts)):
        pairs = (part.partition("=") for part in parts)
        return {name: _number(value) for name, _, value in pairs}
    return _number(written)


def _number(written: str) -> int | float | str:
    # Not whatever Python reads as a number: 1234e567 is a hash, and so is nan.
    kind = _NUMBER.fullmatch(written)
    if kind is None:
        return written
    return int(written) if kind["fraction"] is None else float(written)
