"""The style sheets of static/css as one file: a page asks once, and the layers stay files that one person can hold in mind."""

from __future__ import annotations

from functools import cache

from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.views.decorators.http import require_safe

from kmsconsole import resources

# The layers, the last the strongest; CONTRIBUTING.md says what belongs where.
ORDER = ("tokens.css", "base.css", "components/*.css", "pages/*.css")
PRINT = "print.css"


@cache
def joined() -> bytes:
    folder = resources.folder() / "static" / "css"
    sheets = [path.read_text() for pattern in ORDER for path in sorted(folder.glob(pattern))]
    return "\n".join([*sheets, "@media print {", (folder / PRINT).read_text(), "}"]).encode()


def address() -> str:
    return reverse("style-sheet", args=[resources.static_version()])


@require_safe
def style_sheet(request: HttpRequest, version: str) -> HttpResponse:
    """`version` is in the address so that browsers keep the file for good; any one is answered with this server's own."""
    answer = HttpResponse(joined(), content_type="text/css; charset=utf-8")
    current = version == resources.static_version()
    answer["Cache-Control"] = "public, max-age=315360000, immutable" if current else "no-store"
    return answer
