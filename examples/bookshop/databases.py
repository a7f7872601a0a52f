"""Which database of the server belongs to whom: CLIENT LIST then tells whose a connection is."""

from __future__ import annotations

__all__ = ["DATABASE_NUMBERS", "READINGS_DATABASE"]

#: The database of each backend under test.
DATABASE_NUMBERS = {"cachex": 0, "django": 1}
#: The database in which the demo's own connections live.
READINGS_DATABASE = 15
