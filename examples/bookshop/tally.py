"""What the bookshop counts about itself: requests per page, how many had to be computed, and how long they took."""

from __future__ import annotations

import statistics
import threading
import time
from collections import deque
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING

from django.utils.decorators import async_only_middleware

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from django.http import HttpRequest, HttpResponse

__all__ = ["PAGES", "Numbers", "Tally", "counting_middleware", "percentile", "tally"]

#: The counted pages: URL name -> what it shows of Django's cache.
PAGES = {
    "book": "cached page (cache_page)",
    "stock": "low-level cache, sync view",
    "astock": "low-level cache, async view",
    "shelf": "template fragment",
    "recent": "cache-backed session",
}

#: How many recent requests of a page its timing is taken from.
RECENT = 500


def percentile(durations: list[float], percent: int) -> float:
    """Return the given percentile of ``durations`` (any unit), 0 for none."""
    if len(durations) < 2:
        return durations[0] if durations else 0.0
    return statistics.quantiles(durations, n=100, method="inclusive")[percent - 1]


@dataclass
class Numbers:
    """The counts of one page; durations in seconds."""

    requests: int = 0
    computed: int = 0
    durations: deque[float] = field(default_factory=lambda: deque(maxlen=RECENT))


class Tally:
    """Counts by page. Views run in threads as well as on the event loop, hence the lock."""

    def __init__(self) -> None:
        """Begin at zero."""
        self._lock = threading.Lock()
        self._pages: dict[str, Numbers] = {}

    def computed(self, page: str) -> None:
        """Note that ``page`` found nothing in the cache and had to ask the database."""
        with self._lock:
            self._pages.setdefault(page, Numbers()).computed += 1

    def answered(self, page: str, seconds: float) -> None:
        """Note one answered request of ``page`` and the time it took."""
        with self._lock:
            numbers = self._pages.setdefault(page, Numbers())
            numbers.requests += 1
            numbers.durations.append(seconds)

    def snapshot(self) -> dict[str, dict[str, float]]:
        """Return per page: requests, answers from the cache and computed, median and p95 in milliseconds."""
        with self._lock:
            copies = {page: (n.requests, n.computed, list(n.durations)) for page, n in self._pages.items()}
        return {
            page: {
                "requests": requests,
                "cached": max(0, requests - computed),
                "computed": computed,
                "median": percentile(durations, 50) * 1000,
                "p95": percentile(durations, 95) * 1000,
            }
            for page, (requests, computed, durations) in copies.items()
        }


tally = Tally()


@async_only_middleware
def counting_middleware(
    get_response: Callable[[HttpRequest], Awaitable[HttpResponse]],
) -> Callable[[HttpRequest], Awaitable[HttpResponse]]:
    """Time every page of the shop, and state the length of its body so that connections stay open between requests."""

    async def middleware(request: HttpRequest) -> HttpResponse:
        started = time.perf_counter()
        response = await get_response(request)
        match = request.resolver_match
        if match is not None and match.url_name in PAGES and response.status_code == HTTPStatus.OK:
            tally.answered(match.url_name, time.perf_counter() - started)
        response.headers.setdefault("Content-Length", str(len(response.content)))
        return response

    return middleware
