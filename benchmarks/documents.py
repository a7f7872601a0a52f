"""What is large enough to be compressed: the values of a queryset, a rendered page, a session."""

from __future__ import annotations

import datetime as dt
import random
from typing import Any

__all__ = ["page", "session", "values"]

# Words of one to four syllables, the first ones much more frequent than the last: about as redundant as prose.
_SYLLABLES = (
    "ba",
    "ce",
    "di",
    "fo",
    "gu",
    "ha",
    "je",
    "ki",
    "lo",
    "mu",
    "na",
    "pe",
    "qui",
    "ro",
    "su",
    "ta",
    "ve",
    "un",
)
_PUNCTUATION = (",", ".", ";", " and", " of", " the", "", "", "", "")


class _Author:
    """Writes the same text in every run."""

    def __init__(self) -> None:
        self._random = random.Random(4711)
        self._words = ["".join(self._random.choices(_SYLLABLES, k=self._random.randint(1, 4))) for _ in range(3000)]
        self._weights = [1 / (rank + 3) for rank in range(len(self._words))]

    def words(self, number: int) -> str:
        chosen = self._random.choices(self._words, self._weights, k=number)
        return " ".join(word + self._random.choice(_PUNCTUATION) for word in chosen).capitalize()

    def number(self, most: int) -> int:
        return self._random.randrange(most)

    def token(self) -> str:
        return self._random.randbytes(16).hex()


def _rows(number: int) -> list[dict[str, Any]]:
    author = _Author()
    names = [author.words(1).strip(",.; ").split()[0].capitalize() for _ in range(40)]
    start = dt.date(2026, 11, 23)
    found = []
    for index in range(number):
        first, last, city = (names[author.number(len(names))] for _ in range(3))
        found.append(
            {
                "id": 10_000 + index,
                "number": f"2026-{10_000 + index}",
                "customer": f"{first} {last}",
                "email": f"{first.lower()}.{last.lower()}@example.org",
                "city": city,
                "status": ("open", "paid", "shipped", "returned")[author.number(4)],
                "payment": ("card", "invoice", "transfer")[author.number(3)],
                "created": start - dt.timedelta(days=index // 5),
                "cents": author.number(10**5),
                "url": f"/shop/orders/2026-{10_000 + index}/",
            }
        )
    return found


def values() -> list[dict[str, Any]]:
    """Return what `QuerySet.values()` gives for 102 orders: 14 kB as a pickle."""
    return _rows(102)


def page() -> str:
    """Return a page of 100 kB as a template engine leaves it: markup, prose, numbers, the token of the request."""
    author = _Author()
    token = author.token()
    parts = ['<!doctype html>\n<html lang="en">\n<head><title>Articles</title></head>\n<body>\n']
    size = 0
    while size < 100_000:
        number, name = author.number(10**6), author.words(2)
        parts.append(
            f'    <article class="card card--article" id="article-{number}">\n'
            f'      <a class="card__image" href="/articles/{number}/">\n'
            f'        <img src="/media/articles/{number}/small.jpg" srcset="/media/articles/{number}/large.jpg 2x" '
            f'width="320" height="180" loading="lazy" alt="">\n'
            "      </a>\n"
            f'      <h2 class="card__title"><a href="/articles/{number}/">{author.words(6)}</a></h2>\n'
            f'      <p class="card__meta">by <a href="/authors/{author.number(900)}/">{name}</a></p>\n'
            f'      <p class="card__summary">{author.words(20)}</p>\n'
            f'      <form class="card__form" method="post" action="/articles/{number}/like/">\n'
            f'        <input type="hidden" name="csrfmiddlewaretoken" value="{token}">\n'
            f'        <button class="button button--small" type="submit">{author.number(500)} likes</button>\n'
            "      </form>\n"
            "    </article>\n"
        )
        size += len(parts[-1])
    return "".join([*parts, "</body>\n</html>\n"])


def session() -> dict[str, Any]:
    """Return the data of a session: a user, a basket, some messages."""
    author = _Author()
    return {
        "_auth_user_id": "4711",
        "_auth_user_backend": "django.contrib.auth.backends.ModelBackend",
        "_auth_user_hash": author.token() * 2,
        "_language": "en",
        "basket": [{"sku": author.token()[:8], "count": author.number(5), "title": author.words(4)} for _ in range(8)],
        "recently_viewed": [author.number(10**6) for _ in range(20)],
    }
