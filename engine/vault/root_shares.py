"""The shares of a sealed root key as they come in, one by one, until they give it back. Kept in memory only, and not for long."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from engine.vault import shamir
from engine.vault.shamir import Share, ShareError, Wrong

_KEPT_SECONDS = 3600.0  # after the last share


class ShareCollection:
    """Of one set, which the members of a description name. Not for several threads at once."""

    def __init__(self, members: Mapping[str, Any], clock: Callable[[], float] = time.monotonic) -> None:
        self.needed = int(members["threshold"])
        self._set_id = bytes.fromhex(members["set"])
        self._digests = frozenset(str(each) for each in members["digests"])
        self._shares: dict[int, Share] = {}
        self._clock, self._last = clock, 0.0

    @property
    def given(self) -> int:
        if self._shares and self._clock() > self._last + _KEPT_SECONDS:
            self.forget()
        return len(self._shares)

    def add(self, text: str) -> bytes | None:
        """The secret, when this was the last share that was needed. Raises ShareError."""
        share = shamir.read(text)
        if share.set_id != self._set_id:
            raise ShareError(Wrong.OTHER_SET)
        if share.digest() not in self._digests:
            raise ShareError(Wrong.UNKNOWN)
        if self.given and share.index in self._shares:
            raise ShareError(Wrong.REPEATED)
        self._shares[share.index], self._last = share, self._clock()
        if len(self._shares) < self.needed:
            return None
        secret = shamir.combine(list(self._shares.values()))
        self.forget()
        return secret

    def forget(self) -> None:
        self._shares.clear()
