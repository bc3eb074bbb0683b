"""The documentation: its reference pages are the tables of the code, and every page stands in the site's navigation."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.management import call_command

from kmsconsole import reference
from tests.support.server import ROOT


@pytest.mark.parametrize("name", ["settings.md", "errors.md", "metrics.md"])
def test_a_reference_page_is_what_the_code_says(name: str) -> None:
    assert (reference.FOLDER / name).read_text() == reference.pages()[name], "run make docs"


def test_every_page_is_in_the_navigation_and_every_link_leads_somewhere() -> None:
    navigation = re.findall(r"[\w/-]+\.md", (ROOT / "mkdocs.yml").read_text())
    pages = {path.relative_to(ROOT / "docs").as_posix() for path in (ROOT / "docs").rglob("*.md")}
    assert set(navigation) == pages
    for page in pages:
        here = ROOT / "docs" / page
        text = re.sub(r"^(`{3,}).*?^\1$", "", here.read_text(), flags=re.DOTALL | re.MULTILINE)  # examples are no links
        for link in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", text):
            if not link.startswith(("http://", "https://")):
                assert (here.parent / link).exists(), f"{page}: {link}"


def test_the_site_builds_and_takes_nothing_from_elsewhere(tmp_path: Path) -> None:
    """`make docs`, strictly: a link or an anchor that leads nowhere fails it."""
    command = [sys.executable, "-m", "mkdocs", "build", "--quiet", "--strict", "--site-dir", str(tmp_path / "site")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    for page in (tmp_path / "site").rglob("*.html"):
        assert not re.findall(r'<(?:script|img|iframe)[^>]*src="(?:https?:)?//|<link[^>]*href="//', page.read_text())
    for sheet in (tmp_path / "site").rglob("*.css"):
        assert not re.findall(r"(?:url\(|@import )[\"']?(?:https?:)?//", sheet.read_text())


NOT_OURS = {"FSBP", "PDF", "Sign SAML response and assertion"}  # in italics for what others call so


def test_what_the_documentation_calls_a_page_or_button_by_is_what_it_is_called() -> None:
    """In italics, with a capital: `*Keys → Create key*`. "…" stands for the rest of the words."""
    catalogue = (ROOT / "locale/de/LC_MESSAGES/django.po").read_text()
    entries = re.findall(r"^msgid(?:_plural)? ((?:\"[^\n]*\"\n)+)", catalogue, re.MULTILINE)
    words = {"".join(re.findall(r'"(.*)"\n', entry)).rstrip("…:") for entry in entries}
    unknown = []
    for page in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]:
        text = re.sub(r"^`{3,}.*?^`{3,}$|`[^`]*`", "", page.read_text(), flags=re.DOTALL | re.MULTILINE)
        for name in re.findall(r"(?<![*\w])\*([A-Z][^*]*)\*(?![*\w])", text):
            for part in " ".join(name.split()).split(" → "):
                known = (
                    any(each.startswith(part[:-1].rstrip(" :")) for each in words)
                    if part.endswith("…")
                    else part in words
                )
                if not known and part not in NOT_OURS:
                    unknown.append((page.name, part))
    assert unknown == []


WRITTEN = [path.relative_to(ROOT).as_posix() for path in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]]


@pytest.mark.parametrize("page", WRITTEN)
def test_every_file_that_a_page_names_is_there(page: str) -> None:
    named = re.findall(r"`([a-z_]+(?:/[\w.-]+)+\.(?:py|md|sh|html|js|css|conf|service))`", (ROOT / page).read_text())
    assert [name for name in named if not (ROOT / name).exists()] == []


LESSONS = [path.relative_to(ROOT).as_posix() for path in (ROOT / "learn/content").rglob("*.md")]


@pytest.mark.parametrize("page", [*(page for page in WRITTEN if page.startswith(("README", "docs/"))), *LESSONS])
def test_a_command_is_written_as_who_installed_it_types_it(page: str) -> None:
    """`kmsconsole COMMAND`. A checkout has another way to say that, and python alone has none of what it needs."""
    said = re.sub(
        r"`\.venv/bin/python manage\.py[\w ]*`|Made by `manage.py compatibility`", "", (ROOT / page).read_text()
    )
    assert re.findall(r".*\bmanage\.py\b [a-z_]+.*", said) == []


def test_the_lesson_that_the_documentation_shows_has_no_mistake(tmp_path: Path) -> None:
    text = (ROOT / "docs/teaching.md").read_text()
    folder = tmp_path / "keys-for-backups"
    folder.mkdir()
    (folder / "en.md").write_text("".join(re.findall(r"^````markdown\n(.*?)^````$", text, re.DOTALL | re.MULTILINE)))
    (folder / "lesson.toml").write_text(re.findall(r"^```toml\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)[0])
    call_command("check_lessons", str(folder))
