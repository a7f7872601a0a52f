"""Settings of the bookshop.

Five environment variables steer it, so that one project runs on either backend:

``BOOKSHOP_BACKEND``
    ``cachex`` (default) or ``django``, Django's own Redis backend.
``BOOKSHOP_SERVER``
    URL of a Redis or Valkey server without a database number. Without it django-cachex starts its embedded server;
    Django's backend has no such thing and needs the URL.
``BOOKSHOP_DIRECTORY``
    the project directory that an embedded server is found by; this directory where not set.
``BOOKSHOP_READINGS``
    URL under which the home page asks the server for its counters; ``BOOKSHOP_SERVER`` where not set.
``BOOKSHOP_PEER``
    base URL of a second bookshop, whose numbers the home page shows beside its own.
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import Any

from django.core.exceptions import ImproperlyConfigured

from examples.bookshop.databases import DATABASE_NUMBERS

_HERE = Path(__file__).resolve().parent
BASE_DIR = Path(os.environ.get("BOOKSHOP_DIRECTORY") or _HERE)

BOOKSHOP_BACKEND = os.environ.get("BOOKSHOP_BACKEND", "cachex")
BOOKSHOP_SERVER = os.environ.get("BOOKSHOP_SERVER", "")
BOOKSHOP_READINGS = os.environ.get("BOOKSHOP_READINGS") or BOOKSHOP_SERVER
BOOKSHOP_PEER = os.environ.get("BOOKSHOP_PEER", "")

if BOOKSHOP_BACKEND not in DATABASE_NUMBERS:
    msg = f"BOOKSHOP_BACKEND={BOOKSHOP_BACKEND!r}: valid are {', '.join(DATABASE_NUMBERS)}."
    raise ImproperlyConfigured(msg)
if BOOKSHOP_BACKEND == "django" and not BOOKSHOP_SERVER:
    msg = "Django's own backend cannot start a server: set BOOKSHOP_SERVER, for example to redis://localhost:6379."
    raise ImproperlyConfigured(msg)


def _location() -> str:
    number = DATABASE_NUMBERS[BOOKSHOP_BACKEND]
    if not BOOKSHOP_SERVER:
        return f"embedded:///{number}"
    if BOOKSHOP_SERVER.startswith("unix:"):
        return f"{BOOKSHOP_SERVER}?db={number}"
    return f"{BOOKSHOP_SERVER.rstrip('/')}/{number}"


CACHES: dict[str, dict[str, Any]] = {
    "default": {
        "BACKEND": {
            "cachex": "django_cachex.cache.RedisCache",
            "django": "django.core.cache.backends.redis.RedisCache",
        }[BOOKSHOP_BACKEND],
        "LOCATION": _location(),
        "KEY_PREFIX": "bookshop",
    },
}

SESSION_ENGINE = "django.contrib.sessions.backends.cache"
# Without a database there is nothing that expired sessions would be kept in: the cache drops them by itself.
DATABASES: dict[str, dict[str, Any]] = {}

# Both servers of one demo run share cookies on 127.0.0.1; a random key per process is enough, nothing is signed.
SECRET_KEY = os.environ.get("BOOKSHOP_SECRET_KEY") or secrets.token_urlsafe(32)
ALLOWED_HOSTS = ["127.0.0.1", "localhost", "testserver"]
DEBUG = False
USE_TZ = True

INSTALLED_APPS = ["django.contrib.sessions"]
# SessionMiddleware stands at the one view that needs it (see views.py): under ASGI a synchronous middleware costs
# every request of the project a thread hop, which would hide what the demo wants to show.
MIDDLEWARE = ["examples.bookshop.tally.counting_middleware"]
ROOT_URLCONF = "examples.bookshop.urls"
ASGI_APPLICATION = "examples.bookshop.asgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [_HERE / "templates"],
        "OPTIONS": {"context_processors": ["examples.bookshop.views.shop_context"]},
    },
]
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "handlers": {"console": {"class": "logging.StreamHandler"}},
    "root": {"handlers": ["console"], "level": "WARNING"},
}
