from django.apps import AppConfig


class FeedbackTypesConfig(AppConfig):
    name = "feedback_types"
    verbose_name = "Feedback types"

    def ready(self) -> None:
        from feedback_types import checks  # noqa: F401  registers the system check
