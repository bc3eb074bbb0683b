"""The languages that blocks of code are shown in."""

from __future__ import annotations

from typing import Any

from pygments.lexers import BashLexer, JsonLexer, PythonLexer, TerraformLexer, TextLexer

LEXERS: dict[str, Any] = {
    "json": JsonLexer,
    "bash": BashLexer,
    "python": PythonLexer,
    "hcl": TerraformLexer,
    "text": TextLexer,
}
