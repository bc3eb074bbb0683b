"""How tests wait: not in a way that holds on a quick machine alone."""

from __future__ import annotations

from pathlib import Path

TESTS = Path(__file__).parent
REFUSED = "wait_for_" + "function("  # tests/support/pages.py says why


def test_no_test_waits_by_eval_which_our_content_security_policy_refuses() -> None:
    found = [path for path in TESTS.rglob("*.py") if REFUSED in path.read_text()]
    assert found == []
