"""A model as applications have them, for querysets to be pickled. No database is asked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import models

if TYPE_CHECKING:
    import datetime as dt
    from decimal import Decimal

__all__ = ["Article"]


class Article(models.Model):
    """One row of a list page."""

    title: models.CharField[str, str] = models.CharField(max_length=120)
    slug: models.SlugField[str, str] = models.SlugField(max_length=120)
    summary: models.TextField[str, str] = models.TextField()
    author: models.CharField[str, str] = models.CharField(max_length=60)
    published: models.DateTimeField[dt.datetime, dt.datetime] = models.DateTimeField()
    price: models.DecimalField[Decimal, Decimal] = models.DecimalField(max_digits=8, decimal_places=2)
    featured: models.BooleanField[bool, bool] = models.BooleanField(default=False)
    comments: models.PositiveIntegerField[int, int] = models.PositiveIntegerField(default=0)

    class Meta:
        """Without a table."""

        app_label = "benchmarks"
        managed = False

    def __str__(self) -> str:
        """Return the title."""
        return self.title
