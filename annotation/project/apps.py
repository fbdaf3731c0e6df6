from django.apps import AppConfig


class ProjectConfig(AppConfig):
    """Loads the Celery app in every Django process, so that `shared_task` binds to it and not to a default broker,

    and the checks of the database (checks.py).
    """

    name = "annotation.project"
    label = "project"
    verbose_name = "Whetstone"

    def ready(self) -> None:
        from annotation.project import celery, checks  # noqa: F401
