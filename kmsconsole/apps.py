from django.apps import AppConfig


class KmsconsoleConfig(AppConfig):
    name = "kmsconsole"
    default_auto_field = "django.db.models.BigAutoField"
