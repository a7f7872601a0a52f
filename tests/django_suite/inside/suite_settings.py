"""The settings of a run: one cache, at the place that the environment names. Imported by Django's runtests.py."""

from __future__ import annotations

import os
import sys

BACKEND = os.environ["SUITE_BACKEND"]
if BACKEND.startswith("django_cachex."):
    # The package alone has to pass: redis-py is in this environment for Django's backend.
    sys.modules["redis"] = None  # type: ignore[assignment]

CACHES = {"default": {"BACKEND": BACKEND, "LOCATION": os.environ["SUITE_LOCATION"]}}
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3"}, "other": {"ENGINE": "django.db.backends.sqlite3"}}
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
SECRET_KEY = "django_tests_secret_key"
TEST_RUNNER = "suite_runner.RecordingRunner"
USE_TZ = False
