"""The timeline is append-only in the database itself: triggers refuse UPDATE and DELETE on its table.

Installed after every migrate, because SQLite loses triggers when a table is remade.
"""

from __future__ import annotations

from typing import Any

from django.db import connections

TABLE = "cases_caseevent"
_MESSAGE = "the timeline is append-only"

_POSTGRESQL = f"""
CREATE OR REPLACE FUNCTION cases_timeline_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    -- Erasure has its own door: a session that names its reason may remove what the law wants removed.
    IF current_setting('servicecenter.erasure', true) IS NOT NULL
       AND current_setting('servicecenter.erasure', true) <> '' THEN
        RETURN COALESCE(NEW, OLD);
    END IF;
    RAISE EXCEPTION '{_MESSAGE}';
END $$;
DROP TRIGGER IF EXISTS cases_timeline_append_only ON {TABLE};
CREATE TRIGGER cases_timeline_append_only BEFORE UPDATE OR DELETE ON {TABLE}
    FOR EACH ROW EXECUTE FUNCTION cases_timeline_refuse();
"""


def install(using: str = "default", **_signal: Any) -> None:
    """Create the triggers where the table exists."""
    connection = connections[using]
    if TABLE not in connection.introspection.table_names():
        return
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(_POSTGRESQL)
            return
        for action in ("UPDATE", "DELETE"):
            cursor.execute(
                f"CREATE TRIGGER IF NOT EXISTS cases_timeline_no_{action.lower()} BEFORE {action} ON {TABLE} "
                f"BEGIN SELECT RAISE(ABORT, '{_MESSAGE}'); END"
            )


def remove_delete_trigger(using: str = "default") -> None:
    """Let the tests empty the table between transactional tests on SQLite, whose flush is a DELETE."""
    connection = connections[using]
    if connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            cursor.execute("DROP TRIGGER IF EXISTS cases_timeline_no_delete")
