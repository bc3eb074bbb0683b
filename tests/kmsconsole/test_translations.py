"""The translations: compiled files say what their sources say, and no word of the console is without one."""

from __future__ import annotations

import gettext
import re
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from kmsconsole import messages
from tests.support.server import ROOT

PACKAGES = (
    "access",
    "audit",
    "console",
    "engine",
    "keys",
    "kmsconsole",
    "learn",
    "playground",
    "principals",
    "templates",
)
# What code or the browser puts to use, and a translation therefore has to keep: %(name)s, {name}, an element with its attributes.
PLACES = re.compile(r"%\(\w+\)[a-z]|%[sd]|\{\w*\}|</?\w[^>]*>")

pytestmark = pytest.mark.parametrize("language", messages.languages())


def catalog(file: Path) -> dict[str, list[str]]:
    """Translations by msgid (with its context before it, as gettext writes it): one, or the forms for each number."""
    with file.open("rb") as opened:
        found = gettext.GNUTranslations(opened)._catalog  # type: ignore[attr-defined]
    forms: dict[str, list[str]] = {}
    for key, words in found.items():
        forms.setdefault(key[0] if isinstance(key, tuple) else key, []).append(words)
    forms.pop("", None)
    return forms


def folder(language: str) -> Path:
    return ROOT / "locale" / language / "LC_MESSAGES"


def compiled(source: Path, target: Path) -> dict[str, list[str]]:
    subprocess.run(["msgfmt", "--check", "-o", target, source], check=True)
    return catalog(target)


@pytest.fixture(scope="module")
def in_use(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """Every msgid of templates and code, as `make messages` would collect them now, with the English words as translations."""
    copy = tmp_path_factory.mktemp("words")
    for name in PACKAGES:
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    (copy / "locale").mkdir()
    manage = [sys.executable, "-m", "django", "makemessages", "--settings=kmsconsole.settings", f"--pythonpath={ROOT}"]
    subprocess.run([*manage, "-l", "en", "--no-wrap", "-v0"], cwd=copy, check=True, capture_output=True)
    subprocess.run(["msgen", "-o", "english.po", "locale/en/LC_MESSAGES/django.po"], cwd=copy, check=True)
    return compiled(copy / "english.po", copy / "english.mo")


def test_the_compiled_messages_agree_with_their_source(language: str, tmp_path: Path) -> None:
    again = compiled(folder(language) / "django.po", tmp_path / "again.mo")
    assert again == catalog(folder(language) / "django.mo"), "make messages"


def test_every_word_is_translated(language: str, in_use: dict[str, list[str]]) -> None:
    missing = in_use.keys() - catalog(folder(language) / "django.mo").keys()
    assert not missing, f"{len(missing)} without {language}, for instance {sorted(missing)[:5]}"


def test_no_translation_is_a_guess_that_nobody_has_read(language: str) -> None:
    """msgmerge marks what it carried over to changed words as fuzzy; compiling leaves it out."""
    assert not re.findall(r"^#,.*\bfuzzy\b", (folder(language) / "django.po").read_text(), re.MULTILINE)


def test_every_translation_keeps_what_is_put_in_and_the_markup(language: str, in_use: dict[str, list[str]]) -> None:
    translations = catalog(folder(language) / "django.mo")
    changed = {
        key: words
        for key, english in in_use.items()
        for words in translations.get(key, [])
        if Counter(PLACES.findall(words)) not in [Counter(PLACES.findall(form)) for form in english]
    }
    assert not changed


# What speaks to somebody as "du": the pronoun, and imperatives at the beginning of a sentence.
FAMILIAR = re.compile(
    r"\b([Dd]u|[Dd]ich|[Dd]ir|[Dd]ein(e[mnrs]?)?)\b"
    r"|(?:^|[.:!?] )(Bewahre|Drucke|Gib|Klicke|Lass|Lies|Melde|Nenne|Nimm|Öffne|Probiere|Schau|Setze|Sieh|Speichere|Trage|Versuch|Versuche|Wähle) "
)


def test_everybody_is_addressed_in_the_same_way(language: str) -> None:
    """Pages of classes spoke to their readers as "du", all others as "Sie". Lessons, which pupils read, say "Sie" too."""
    if language != "de":
        return
    said = [form for forms in catalog(folder(language) / "django.mo").values() for form in forms]
    said += [line for file in ROOT.glob("learn/content/*/de.md") for line in file.read_text().splitlines()]
    assert len(said) > 2_000
    assert [each for each in said if FAMILIAR.search(each)] == []
