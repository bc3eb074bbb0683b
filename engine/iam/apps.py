from django.apps import AppConfig


class IamConfig(AppConfig):
    name = "engine.iam"
    label = "iam"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from engine import clock
        from engine.iam import clocks

        clock.offsets_from(clocks.offset_of)
