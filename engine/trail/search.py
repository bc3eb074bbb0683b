"""Searching the trail by any combination of terms: a page of events newest first, how many there are, by what they could be narrowed
further, and when they happened.

A question is answered from the search index (engine.trail.search_index) within a budget of time. What it did not get to is said
(`looked_until`, `whole`, `behind`), never taken for nothing.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from django.conf import settings
from django.db import connection as database

from engine import data_stack
from engine.trail import search_index, survey
from engine.trail.event_search import Answer, Record, Search
from engine.trail.query import EventStore, event_store
from engine.trail.search_question import Question

T = TypeVar("T")
PAGE_SECONDS = 0.2  # until a page of events is found
SURVEY_SECONDS = 0.25  # until, from the same beginning on, all is counted and grouped
INDEX_SECONDS = 1.0  # that a question indexes for itself; what is left then, a thread of its own does


# --- the question


def search(account_id: str, wanted: Search, limit: int, *, with_survey: bool = True) -> Answer:
    """The newest `limit` events that match; with `with_survey` also how many there are,
    facets and histogram, of all that match, whatever page it is."""

    def answer() -> Answer:
        behind = bring_up_to_date(account_id)
        began = time.monotonic()
        store = event_store().as_it_is()
        found = _question(account_id, wanted, store).page(limit, began + PAGE_SECONDS)
        found.behind = behind
        found.newest = search_index.newest(search_index.connection(_folder()), account_id)
        if with_survey:
            everything = _question(account_id, replace(wanted, before=None, since=None), store)
            survey.add(found, everything, began + SURVEY_SECONDS)
        return found

    return _mending(answer)


def count(account_id: str, wanted: Search, most: int) -> int:
    """How many events match, at most `most`."""

    def counted() -> int:
        bring_up_to_date(account_id)
        question = _question(account_id, wanted, event_store().as_it_is())
        return len(question.page(most, time.monotonic() + PAGE_SECONDS).events)

    return _mending(counted)


def every(account_id: str, wanted: Search, *, oldest_first: bool = False) -> Iterator[Record]:
    """All events that match, however many, read as they are asked for: an export."""
    while _mending(lambda: bring_up_to_date(account_id)):
        time.sleep(0.05)  # an export is not cut: it waits for the index
    question = _question(account_id, wanted, event_store())  # which looks anew each time: an export may take long
    for sequences in question.chunks(oldest_first=oldest_first):
        for _sequence, record in question.records(sequences):
            yield record


def _folder() -> Path:
    return Path(settings.DATA) / "trail"


def _mending(ask: Callable[[], T]) -> T:
    """What `ask` answers. A damaged index is made anew, once."""
    try:
        return ask()
    except sqlite3.DatabaseError as reason:
        if isinstance(reason, sqlite3.OperationalError) and not str(reason).startswith("no such table"):
            raise
        search_index.discard(_folder(), reason)
        return ask()


# --- keeping the index


_indexing = threading.Lock()


def bring_up_to_date(account_id: str) -> int:
    """Index what is new; how many events are left that are not indexed yet. A long backlog is left to a thread that goes on with it, of
    this process or another: no question waits for it."""
    store = event_store()
    if not search_index.is_behind(_folder(), store, account_id):
        return 0
    if _indexing.locked() and (left := search_index.left(_folder(), store, account_id)) > search_index.BATCH:
        return left
    left = search_index.catch_up(_folder(), store, account_id, INDEX_SECONDS, INDEX_SECONDS)
    if left > search_index.BATCH and _indexing.acquire(blocking=False):
        threading.Thread(target=data_stack.run, args=(_index, account_id), name="search-index", daemon=True).start()
    return left


def _index(account_id: str) -> None:
    try:
        while search_index.catch_up(_folder(), event_store(), account_id, 0.0):
            time.sleep(0.01)  # requests come first
    finally:
        _indexing.release()
        database.close()


def _question(account_id: str, wanted: Search, store: EventStore) -> Question:
    return Question(search_index.connection(_folder()), store, account_id, wanted)
