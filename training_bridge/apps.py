from django.apps import AppConfig


class TrainingBridgeConfig(AppConfig):
    name = "training_bridge"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from annotation.people.erasure import person_erased
        from annotation.quality import estimates
        from training_bridge.reliability import of_reward_model
        from training_bridge.services.erasure import on_person_erased

        person_erased.connect(on_person_erased, dispatch_uid="snapshots")
        estimates.add(of_reward_model)
