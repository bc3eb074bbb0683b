"""A row of a service's operation table: the function that carries an operation out, and how it is to be run."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

from engine.context import CallContext

Run = Callable[[CallContext, dict[str, Any]], dict[str, Any]]
Prepare = Callable[[CallContext, dict[str, Any]], AbstractContextManager[None]]


@dataclass(frozen=True, slots=True)
class Operation:
    """A row of a service's operation table. `writes`: it changes stored state, so it runs in one transaction with its record.
    `prepare`: what a changing operation does around its transaction, because it waits for what may be slow; its refusals are the call's.
    `quick`: caches answer it in well under a millisecond, so that a server may carry it out between two looks at its sockets."""

    run: Run
    writes: bool = False
    quick: bool = False
    prepare: Prepare | None = None
