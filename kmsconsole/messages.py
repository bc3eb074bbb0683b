"""`make messages`: collects what templates and code say into locale/*/LC_MESSAGES/django.po and compiles it. Needs GNU gettext.

Everything it calls is Django's; only the folders that have no words of the console are named here.
"""

from __future__ import annotations

import os

import django
from django.conf import settings
from django.core.management import call_command

NO_WORDS = [".venv*", "var*", "tests*", "bench*", "docs*", "static*", "site*", "dist*", "node_modules*"]


def languages() -> list[str]:
    return [code for code, _name in settings.LANGUAGES if code != settings.LANGUAGE_CODE]


def collect() -> None:
    """Bring every language's .po up to date with the words in use; translations are kept, new words are empty or fuzzy."""
    call_command(
        "makemessages",
        locale=languages(),
        ignore_patterns=[*NO_WORDS],
        no_wrap=True,
        add_location="file",
        no_obsolete=True,
        verbosity=0,
    )


def compile_all() -> None:
    """Write the .mo beside each .po. Raises CommandError if one has a mistake."""
    call_command("compilemessages", ignore_patterns=[*NO_WORDS], verbosity=0)


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "kmsconsole.settings")
    django.setup()
    collect()
    compile_all()
