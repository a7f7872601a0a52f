"""The pages of the bookshop, one for each usual way to use Django's cache, and the home page with the numbers."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.contrib.sessions.middleware import SessionMiddleware
from django.core.cache import cache
from django.http import Http404, JsonResponse
from django.shortcuts import render
from django.utils.decorators import decorator_from_middleware
from django.views.decorators.cache import cache_page, never_cache

from examples.bookshop import home as home_page
from examples.bookshop.catalogue import BOOKS, SHELVES, aquery_book, query_book, query_shelf, query_stock
from examples.bookshop.tally import PAGES, tally

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse

    from examples.bookshop.catalogue import Book

__all__ = ["astock", "book", "home", "live", "numbers", "recent", "shelf", "shop_context", "stock"]

#: Seconds that the shop's answers stay in the cache.
KEPT = 60
#: Books that the shop remembers per visitor.
REMEMBERED = 5


def shop_context(request: HttpRequest) -> dict[str, Any]:
    """Give every template the backend's name and the navigation."""
    del request
    return {"backend": settings.BOOKSHOP_BACKEND, "cache_class": settings.CACHES["default"]["BACKEND"], "pages": PAGES}


def _existing(number: int) -> int:
    if number >= len(BOOKS):
        msg = f"There are {len(BOOKS)} books."
        raise Http404(msg)
    return number


@cache_page(KEPT)
def book(request: HttpRequest, number: int) -> HttpResponse:
    """Show one book; the whole response is cached."""
    return render(request, "book.html", {"book": query_book("book", _existing(number))})


def stock(request: HttpRequest, number: int) -> HttpResponse:
    """Show a book's stock through the low-level cache, in a synchronous view: six cache operations."""
    prefix = f"sync:{_existing(number)}:"
    found: Book | None = cache.get(prefix + "book")
    if found is None:
        found = query_book("stock", number)
        cache.set(prefix + "book", found, KEPT)
        cache.set_many({prefix + name: value for name, value in query_stock(found).items()}, KEPT)
    parts = cache.get_many([prefix + "details", prefix + "copies", prefix + "rating"])
    cache.add(prefix + "views", 0, KEPT)
    views = cache.incr(prefix + "views")
    cache.set("sync:last", number, KEPT)
    cache.touch(prefix + "book", KEPT)
    return render(request, "stock.html", {"book": found, "parts": len(parts), "views": views, "kind": "sync"})


async def astock(request: HttpRequest, number: int) -> HttpResponse:
    """Show the same, in an asynchronous view: the same six operations, awaited on the event loop."""
    prefix = f"async:{_existing(number)}:"
    found: Book | None = await cache.aget(prefix + "book")
    if found is None:
        found = await aquery_book("astock", number)
        await cache.aset(prefix + "book", found, KEPT)
        await cache.aset_many({prefix + name: value for name, value in query_stock(found).items()}, KEPT)
    parts = await cache.aget_many([prefix + "details", prefix + "copies", prefix + "rating"])
    await cache.aadd(prefix + "views", 0, KEPT)
    views = await cache.aincr(prefix + "views")
    await cache.aset("async:last", number, KEPT)
    await cache.atouch(prefix + "book", KEPT)
    return render(request, "stock.html", {"book": found, "parts": len(parts), "views": views, "kind": "async"})


def shelf(request: HttpRequest, shelf: str) -> HttpResponse:
    """Show a shelf whose list of books is a cached fragment of the template."""
    if shelf not in SHELVES:
        msg = f"The shelves are {', '.join(SHELVES)}."
        raise Http404(msg)
    # A callable: the template calls it only where the fragment is not in the cache.
    return render(request, "shelf.html", {"shelf": shelf, "books": lambda: query_shelf("shelf", shelf), "kept": KEPT})


@decorator_from_middleware(SessionMiddleware)
def recent(request: HttpRequest, number: int) -> HttpResponse:
    """Show a visitor the books he looked at last; his session lives in the cache."""
    if request.session.session_key is None or "seen" not in request.session:
        tally.computed("recent")
    others = [one for one in request.session.get("seen", []) if one != number]
    seen = [_existing(number), *others][:REMEMBERED]
    request.session["seen"] = seen
    return render(request, "recent.html", {"seen": [BOOKS[one] for one in seen]})


@never_cache
async def home(request: HttpRequest) -> HttpResponse:
    """Show the numbers of this bookshop and of its peer, live."""
    return render(request, "home.html", {"shops": await home_page.shops(), "book": BOOKS[7], "shelf": SHELVES[0]})


@never_cache
async def live(request: HttpRequest) -> HttpResponse:
    """Return only the tables of the home page, which asks for them once a second."""
    return render(request, "numbers.html", {"shops": await home_page.shops()})


@never_cache
async def numbers(request: HttpRequest) -> JsonResponse:
    """Return this bookshop's own numbers, for its peer's home page and for programs."""
    del request
    return JsonResponse(asdict(await home_page.own()))
