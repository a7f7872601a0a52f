"""The tests of django-cachex: they start the servers that they talk to."""
