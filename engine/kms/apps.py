from django.apps import AppConfig


class KmsConfig(AppConfig):
    name = "engine.kms"
    label = "kms"
    default_auto_field = "django.db.models.BigAutoField"
