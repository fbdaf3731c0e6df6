"""The wiring: settings, root urls, entry points, the Celery app and the embedded servers.

The apps are named here as strings only. Nothing in this package may import one of them.
"""
