"""How much the tests of this folder try.

By default (`make test`): few examples, the same each time, so that the gate is stable. With FUZZ_EXAMPLES=n (`make fuzz`): n examples a
test, other ones each time; what fails is kept in .hypothesis and tried first the next time. HYPOTHESIS_PROFILE names one of the two.
"""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

_EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES") or 5_000)
_shared: dict[str, Any] = {"deadline": None, "suppress_health_check": list(HealthCheck)}
settings.register_profile("short", settings.get_profile("default"), max_examples=60, derandomize=True, **_shared)
settings.register_profile("fuzz", settings.get_profile("default"), max_examples=_EXAMPLES, print_blob=True, **_shared)
PROFILE = os.environ.get("HYPOTHESIS_PROFILE") or ("fuzz" if os.environ.get("FUZZ_EXAMPLES") else "short")


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector: pytest.Collector) -> Generator[None, Any, Any]:
    """The profile holds while this folder's modules are read, and not for those of other folders."""
    before = settings.get_current_profile_name()
    settings.load_profile(PROFILE)
    try:
        return (yield)
    finally:
        settings.load_profile(before)


@pytest.fixture(autouse=True)
def profile() -> Iterator[None]:
    """And while its tests run."""
    before = settings.get_current_profile_name()
    settings.load_profile(PROFILE)
    yield
    settings.load_profile(before)
