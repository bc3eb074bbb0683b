from django.apps import AppConfig


class IamConfig(AppConfig):
    name = "engine.iam"
    label = "iam"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from engine import clock, throttling
        from engine.iam import account_limits, clocks

        clock.offsets_from(clocks.offset_of)
        throttling.rates_from(account_limits.calls_per_second)
