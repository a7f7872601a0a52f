"""What loop scenarios may ask for: as fault scenarios, one server program will do."""

from __future__ import annotations

from tests.faults.conftest import family, proxies, start_proxy
from tests.faults.figures import figure

__all__ = ["family", "figure", "proxies", "start_proxy"]
