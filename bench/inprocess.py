"""The console and its engine in this process, on a data folder of the tests' own: what benches use that serve nobody."""

from __future__ import annotations


def prepare() -> None:
    """Before anything of the engine is imported: settings are read, migrations run, the first account is made."""
    import django
    from django.test.utils import setup_test_environment

    from tests.support import environment  # noqa: F401  (the data folder, which Django's settings name)

    django.setup()
    setup_test_environment()
    from kmsconsole.installation import bootstrap

    bootstrap.prepare()
