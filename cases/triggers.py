"""The timeline is append-only in the database itself: triggers refuse UPDATE, DELETE and TRUNCATE on its table.

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
-- A table emptied as a whole fires no trigger of its rows, also where it is emptied along with another (CASCADE).
DROP TRIGGER IF EXISTS cases_timeline_no_truncate ON {TABLE};
CREATE TRIGGER cases_timeline_no_truncate BEFORE TRUNCATE ON {TABLE}
    FOR EACH STATEMENT EXECUTE FUNCTION cases_timeline_refuse();
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


def let_be_emptied(using: str = "default") -> None:
    """Let tests and the demo center empty the table as a whole (SQLite does so by DELETE); `install` ends that."""
    connection = connections[using]
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(f"DROP TRIGGER IF EXISTS cases_timeline_no_truncate ON {TABLE}")
        else:
            cursor.execute("DROP TRIGGER IF EXISTS cases_timeline_no_delete")
