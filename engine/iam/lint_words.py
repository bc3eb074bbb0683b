"""What the parts of the policy checker share."""

from __future__ import annotations

from typing import Any

from engine.iam.json_positions import Path

ERROR, WARNING, HINT = "error", "warning", "hint"

Found = tuple[Path, bool, str, str, str, str]  # path, whether its name is meant, severity, code, message, suggestion


def strings(value: Any) -> list[str]:
    return [each for each in (value if isinstance(value, list) else [value]) if isinstance(each, str)]
