"""Django's own cache and session tests, run on our backend: `python -m tests.django_suite`.

For each edition of Django: a virtual environment from the lock, and the tests of the source distribution twice, as they
are on Django's own Redis backend, and with our names in place of Django's. Both have to pass and to skip the same.
"""
