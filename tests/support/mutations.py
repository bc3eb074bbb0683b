"""Hypothesis strategies: bytes and JSON that were sound once."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import strategies as st

DEEP = ("[" * 5000, '{"a":' * 5000, "[" * 500 + "]" * 500)
ODD_VALUES: tuple[Any, ...] = (
    None,
    True,
    0,
    -1,
    2**63,
    10**40,
    1e308,
    0.5,
    "",
    "\0",
    " ",
    "a" * 3000,
    [],
    {},
    [None],
    {"": None},
    [[[]]],
)

anything: st.SearchStrategy[Any] = st.recursive(
    st.sampled_from(ODD_VALUES) | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@st.composite
def changed_bytes(draw: st.DrawFn, sound: bytes, other: bytes = b"") -> bytes:
    """`sound` with bits flipped, a part cut out, doubled or replaced, or its head on the tail of `other`."""
    content = bytearray(sound)
    for _ in range(draw(st.integers(1, 3))):
        if not content:
            break
        at = draw(st.integers(0, len(content) - 1))
        end = min(len(content), at + draw(st.integers(1, 16)))
        kind = draw(st.sampled_from(("flip", "flip", "cut", "end", "double", "insert", "splice")))
        if kind == "flip":
            content[at] ^= draw(st.integers(1, 255))
        elif kind == "cut":
            del content[at:end]
        elif kind == "end":
            del content[at:]
        elif kind == "double":
            content[at:at] = content[at:end]
        elif kind == "insert":
            content[at:at] = draw(st.binary(min_size=1, max_size=16))
        else:
            content[at:] = other[at:]
    return bytes(content)


@st.composite
def changed_json(draw: st.DrawFn, sound: Any) -> Any:
    """`sound` with some of its values replaced, left out or put into lists and maps, at any depth."""
    kind = draw(st.sampled_from(("keep", "keep", "keep", "keep", "replace", "wrap", "leave out")))
    if kind == "replace":
        return draw(anything)
    if kind == "wrap":
        return draw(st.sampled_from(([sound], {"a": sound}, [sound, sound], [sound, None])))
    if isinstance(sound, dict):
        names = list(sound)
        if kind == "leave out" and names:
            names.remove(draw(st.sampled_from(names)))
        return {name: draw(changed_json(sound[name])) for name in names}
    if isinstance(sound, list):
        return [draw(changed_json(each)) for each in sound[: 0 if kind == "leave out" else None]]
    return sound


@st.composite
def json_bodies(draw: st.DrawFn, sound: Any) -> bytes:
    """A body that was JSON: of other values, with bytes changed, or nothing like it."""
    kind = draw(st.sampled_from(("values", "values", "values", "bytes", "deep", "any")))
    text = json.dumps(draw(changed_json(sound)) if kind == "values" else sound, ensure_ascii=draw(st.booleans()))
    content = text.encode("utf-8", "surrogatepass")
    if kind == "bytes":
        return draw(changed_bytes(content, b'{"KeyId": "\\ud800", "a": NaN, "KeyId": 1}'))
    if kind == "deep":
        return draw(st.sampled_from(DEEP)).encode()
    return draw(st.binary(max_size=200)) if kind == "any" else content
