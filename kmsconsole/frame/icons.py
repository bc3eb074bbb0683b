"""Heroicons' pictures, from the archive of the package `heroicons`.

Its own template tag opens the archive for each icon, and reads the names of all 1,300 in it: 20 ms of the processor for each, half a second for the
first page of a process.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from io import BytesIO
from xml.etree import ElementTree
from zipfile import ZipFile

from django.utils.safestring import SafeString

_SVG = "http://www.w3.org/2000/svg"
_SIZE = "16"  # pixels


@cache
def icon(name: str) -> SafeString:
    """A small icon beside a word that says the same; https://heroicons.com has the names. Raises KeyError for another."""
    svg = ElementTree.fromstring(_archive().read(f"mini/{name}.svg"))  # noqa: S314 - the package's, nobody's input
    svg.attrib.update({"width": _SIZE, "height": _SIZE, "aria-hidden": "true"})
    for element in svg.iter():
        element.tag = element.tag.removeprefix(f"{{{_SVG}}}")  # within a page it needs none
    return SafeString(ElementTree.tostring(svg, encoding="unicode"))


@cache
def _archive() -> ZipFile:
    """In memory: processes that are forked would share a file's position."""
    return ZipFile(BytesIO((files("heroicons") / "heroicons.zip").read_bytes()))
