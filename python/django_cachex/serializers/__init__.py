"""Serializers: how values become bytes."""

from __future__ import annotations

from django_cachex.serializers.base import BaseSerializer

__all__ = ["BaseSerializer"]
