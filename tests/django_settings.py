"""Settings of the tests; the caches are put in by the `django_cache` fixture, once a server runs."""

from __future__ import annotations

from pathlib import Path

__all__ = [
    "ALLOWED_HOSTS",
    "BASE_DIR",
    "CACHES",
    "DATABASES",
    "INSTALLED_APPS",
    "SECRET_KEY",
    "TEMPLATES",
    "USE_TZ",
]

BASE_DIR = Path(__file__).parent
SECRET_KEY = "the tests sign with it"
ALLOWED_HOSTS = ["*"]
CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}
INSTALLED_APPS = ["django.contrib.contenttypes", "django.contrib.sessions"]
TEMPLATES = [{"BACKEND": "django.template.backends.django.DjangoTemplates"}]
USE_TZ = True
