"""What is done with segments without being asked: older records are sealed once they are due, sealed segments are moved to the archive, and
what a process that died had begun is finished. One process of a node's server does it, beside the calls (kmsconsole.server.background).
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Protocol

from engine.trail import removal, segment_work, segments
from engine.trail.journal import Journal
from engine.trail.log_records import Records
from engine.trail.segments import Segment

logger = logging.getLogger(__name__)

_MEBIBYTE = 1 << 20


class Rules(Protocol):
    """The settings that this goes by (kmsconsole.installation.environment)."""

    @property
    def trail_segment_megabytes(self) -> int: ...

    @property
    def trail_segment_days(self) -> int: ...

    @property
    def trail_archive(self) -> str: ...


def seal(journal: Journal, records: Records, rules: Rules, *, at_once: bool = False) -> list[Segment]:
    """Seal what is due, or with `at_once` all but the last record. Raises what segment_work.seal raises, and Busy."""
    trail, most = journal.path.parent, rules.trail_segment_megabytes * _MEBIBYTE
    by_age = at_once or segment_work.is_old(records, trail, rules.trail_segment_days)
    if not (by_age or segment_work.is_big(trail, most)) or not segment_work.holds_older(journal):
        return []
    with segment_work.lock(trail, wait=at_once):
        return segment_work.seal(journal, records, most, at_least=1 if by_age else most)


def step(journal: Journal, records: Records, rules: Rules, accounts: Iterable[str]) -> None:
    """One look. Raises what sealing, moving and removing raise."""
    trail = journal.path.parent
    for each in seal(journal, records, rules):
        logger.info("sealed records %d to %d of the audit journal", each.first, each.last)
    unfinished = removal.is_unfinished(trail)
    moves = bool(rules.trail_archive) and any(not each.place for each in segments.load(trail).kept)
    if not unfinished and not moves:
        return
    with segment_work.lock(trail, wait=False):
        if unfinished:
            removal.go_on(trail, list(accounts))
        if moves:
            for each in segment_work.move(trail, rules.trail_archive):
                logger.info(
                    "moved records %d to %d of the audit trail to %s", each.first, each.last, rules.trail_archive
                )
