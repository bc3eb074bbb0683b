from django.apps import AppConfig


class LearnConfig(AppConfig):
    name = "learn"
    label = "labs"  # what existing databases call it
    default_auto_field = "django.db.models.BigAutoField"
