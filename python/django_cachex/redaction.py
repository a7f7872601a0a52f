"""Keep secrets and values out of what an error carries along.

Debug pages and error trackers print the local variables of every frame in a traceback. While settings are read those
variables hold URLs and passwords, so the frames are emptied before an error leaves the package.
"""

from __future__ import annotations

import traceback

__all__ = ["hide_items", "scrub"]


def scrub(error: BaseException) -> None:
    """Empty the local variables of every finished frame in the tracebacks of *error* and of its explicit causes.

    File names and line numbers stay. The frame that calls this is still running and keeps its variables: it has to
    ``del`` those that hold secrets itself.

    Args:
        error: the exception about to be raised again.
    """
    current: BaseException | None = error
    while current is not None:
        traceback.clear_frames(current.__traceback__)
        current = current.__cause__


def hide_items(error: BaseException) -> None:
    """Cut the notes that say which item of a value could not be serialized: since Python 3.14 they quote dict keys."""
    notes = getattr(error, "__notes__", None)
    if isinstance(notes, list):
        notes[:] = [_without_item(note) for note in notes]


def _without_item(note: object) -> object:
    if not isinstance(note, str) or not note.startswith("when serializing "):
        return note
    before, item, _ = note.partition(" item ")
    return before + item.rstrip()
