"""The indexes that text search uses: FTS5 with trigrams on SQLite, pg_trgm on PostgreSQL; and on SQLite one that holds all that
counting needs, facets and text, so that 100,000 matches are counted without a look at a row (PostgreSQL's indexes hold no long text).
Called by migrations only."""

from __future__ import annotations

from typing import Any

_SQLITE = (
    "CREATE VIRTUAL TABLE keys_search USING fts5(search, tokenize='trigram')",
    "CREATE TRIGGER keys_search_insert AFTER INSERT ON keys_inventorykey BEGIN "
    "INSERT INTO keys_search(rowid, search) VALUES (new.id, new.search); END",
    "CREATE TRIGGER keys_search_update AFTER UPDATE OF search ON keys_inventorykey WHEN old.search <> new.search BEGIN "
    "UPDATE keys_search SET search = new.search WHERE rowid = new.id; END",
    "CREATE TRIGGER keys_search_delete AFTER DELETE ON keys_inventorykey BEGIN "
    "DELETE FROM keys_search WHERE rowid = old.id; END",
    "INSERT INTO keys_search(rowid, search) SELECT id, search FROM keys_inventorykey",
)
_SQLITE_BACK = (
    "DROP TRIGGER keys_search_insert",
    "DROP TRIGGER keys_search_update",
    "DROP TRIGGER keys_search_delete",
    "DROP TABLE keys_search",
)
# pg_trgm is a trusted extension: the owner of a database may create it. Without it LIKE still answers, by reading every row.
_POSTGRESQL = """
DO $$ BEGIN
  CREATE EXTENSION IF NOT EXISTS pg_trgm;
  CREATE INDEX keys_search ON keys_inventorykey USING gin (search gin_trgm_ops);
EXCEPTION WHEN insufficient_privilege OR undefined_file OR feature_not_supported THEN
  RAISE WARNING 'pg_trgm is not available: key search reads every row';
END $$
"""


def create(apps: Any, editor: Any) -> None:
    vendor = editor.connection.vendor
    for statement in _SQLITE if vendor == "sqlite" else (_POSTGRESQL,) if vendor == "postgresql" else ():
        editor.execute(statement)


def drop(apps: Any, editor: Any) -> None:
    vendor = editor.connection.vendor
    for statement in _SQLITE_BACK if vendor == "sqlite" else ("DROP INDEX IF EXISTS keys_search",):
        editor.execute(statement)


def create_count(apps: Any, editor: Any) -> None:
    if editor.connection.vendor == "sqlite":
        editor.execute(
            "CREATE INDEX keys_search_count ON keys_inventorykey "
            "(account_id, region, manager, state, kind, spec, usage, origin, regionality, rotation, public, search)"
        )


def create_count_of_parts(apps: Any, editor: Any) -> None:
    """With the lengths of the text's parts, by which who may not read aliases or tags counts."""
    if editor.connection.vendor == "sqlite":
        editor.execute(
            "CREATE INDEX keys_search_count ON keys_inventorykey "
            "(account_id, region, manager, state, kind, spec, usage, origin, regionality, rotation, public, described, named, search)"
        )


def drop_count(apps: Any, editor: Any) -> None:
    if editor.connection.vendor == "sqlite":
        editor.execute("DROP INDEX keys_search_count")
