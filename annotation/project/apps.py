from django.apps import AppConfig


class ProjectConfig(AppConfig):
    """Loads, in every Django process, the Celery app (so that `shared_task` binds to it) and the checks of the database."""

    name = "annotation.project"
    label = "project"
    verbose_name = "Whetstone"

    def ready(self) -> None:
        from psycopg_pool.base import AttemptWithBackoff

        from annotation.project import celery, checks  # noqa: F401

        # After the database was restarted every pooled connection is broken. The pool looks at one after the other and
        # sleeps in between, a second at first, then twice as long each time: with eight, longer than a request may wait.
        AttemptWithBackoff.INITIAL_DELAY = 0.01
