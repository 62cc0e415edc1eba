"""The trail of changes about people is append-only in the database itself, as the timeline of a case is.

Installed after every migrate, because SQLite loses triggers when a table is remade.
"""

from __future__ import annotations

from typing import Any

from django.db import connections

TABLE = "staff_staffrecord"
_MESSAGE = "the trail of changes about people is append-only"

_POSTGRESQL = f"""
CREATE OR REPLACE FUNCTION staff_records_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '{_MESSAGE}';
END $$;
DROP TRIGGER IF EXISTS staff_records_append_only ON {TABLE};
CREATE TRIGGER staff_records_append_only BEFORE UPDATE OR DELETE ON {TABLE}
    FOR EACH ROW EXECUTE FUNCTION staff_records_refuse();
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
                f"CREATE TRIGGER IF NOT EXISTS staff_records_no_{action.lower()} BEFORE {action} ON {TABLE} "
                f"BEGIN SELECT RAISE(ABORT, '{_MESSAGE}'); END"
            )


def remove_delete_trigger(using: str = "default") -> None:
    """Let the tests empty the table between transactional tests on SQLite, whose flush is a DELETE."""
    connection = connections[using]
    if connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            cursor.execute("DROP TRIGGER IF EXISTS staff_records_no_delete")
