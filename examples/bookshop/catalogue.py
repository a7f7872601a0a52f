"""The books, behind a query that takes its time as a database would."""

from __future__ import annotations

import asyncio
import time
from dataclasses import asdict, dataclass
from typing import Any

from examples.bookshop.tally import tally

__all__ = ["BOOKS", "SHELVES", "Book", "aquery_book", "query_book", "query_shelf", "query_stock"]

#: Seconds that one query takes: what a page costs when the cache has no answer.
QUERY_SECONDS = 0.01

SHELVES = ("sea", "mountains", "cities", "gardens", "night")
_TITLES = ("A Walk", "The Map", "Letters", "A Winter", "The Visitor", "Songs", "The Clock", "Small Things")
_AUTHORS = ("Amal Brandt", "Ines Okafor", "Jun Laurent", "Mira Castell", "Tove Adeyemi")


@dataclass(frozen=True)
class Book:
    """One book of the shop; ``price`` is in cents."""

    number: int
    title: str
    author: str
    shelf: str
    price: int


def _book(number: int) -> Book:
    shelf = SHELVES[number % len(SHELVES)]
    title = f"{_TITLES[number % len(_TITLES)]} of {shelf.title()}, vol. {number // len(_TITLES) + 1}"
    return Book(number, title, _AUTHORS[number * 7 % len(_AUTHORS)], shelf, 900 + number * 37 % 2000)


BOOKS = tuple(_book(number) for number in range(40))


def query_book(page: str, number: int) -> Book:
    """Fetch one book the slow way, and note that ``page`` had to.

    Raises:
        IndexError: no book has that number.
    """
    book = BOOKS[number]
    tally.computed(page)
    time.sleep(QUERY_SECONDS)
    return book


async def aquery_book(page: str, number: int) -> Book:
    """Do what :func:`query_book` does, with an awaiting database driver."""
    book = BOOKS[number]
    tally.computed(page)
    await asyncio.sleep(QUERY_SECONDS)
    return book


def query_shelf(page: str, shelf: str) -> list[Book]:
    """Fetch the books of one shelf the slow way, and note that ``page`` had to."""
    tally.computed(page)
    time.sleep(QUERY_SECONDS)
    return [book for book in BOOKS if book.shelf == shelf]


def query_stock(book: Book) -> dict[str, Any]:
    """Return what the stock pages keep in the cache about ``book``, by name."""
    return {"details": asdict(book), "copies": book.number * 3 % 11, "rating": 30 + book.number % 21}
