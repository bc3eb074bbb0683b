from django.apps import AppConfig


class PrincipalsConfig(AppConfig):
    name = "principals"
    default_auto_field = "django.db.models.BigAutoField"
