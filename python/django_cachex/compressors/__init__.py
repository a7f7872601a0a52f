"""Compressors: how large payloads become smaller ones."""

from __future__ import annotations

from django_cachex.compressors.base import BaseCompressor

__all__ = ["BaseCompressor"]
