"""The timeline and what is attached to it are append-only in the database itself: triggers refuse UPDATE, DELETE and
TRUNCATE.

Installed after every migrate, because SQLite loses triggers when a table is remade.
"""

from __future__ import annotations

from typing import Any

from django.db import connections

TABLE = "cases_caseevent"
# By table: the name of its triggers, and what they say.
TABLES = {
    TABLE: ("cases_timeline", "the timeline is append-only"),
    "cases_attachment": ("cases_attachments", "attachments are append-only"),
}

_POSTGRESQL = """
CREATE OR REPLACE FUNCTION {name}_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    -- Erasure has its own door: a session that names its reason may remove what the law wants removed.
    IF current_setting('servicecenter.erasure', true) IS NOT NULL
       AND current_setting('servicecenter.erasure', true) <> '' THEN
        RETURN COALESCE(NEW, OLD);
    END IF;
    RAISE EXCEPTION '{message}';
END $$;
DROP TRIGGER IF EXISTS {name}_append_only ON {table};
CREATE TRIGGER {name}_append_only BEFORE UPDATE OR DELETE ON {table}
    FOR EACH ROW EXECUTE FUNCTION {name}_refuse();
-- A table emptied as a whole fires no trigger of its rows, also where it is emptied along with another (CASCADE).
DROP TRIGGER IF EXISTS {name}_no_truncate ON {table};
CREATE TRIGGER {name}_no_truncate BEFORE TRUNCATE ON {table}
    FOR EACH STATEMENT EXECUTE FUNCTION {name}_refuse();
"""


def install(using: str = "default", **_signal: Any) -> None:
    """Create the triggers where the tables exist."""
    connection = connections[using]
    present = connection.introspection.table_names()
    with connection.cursor() as cursor:
        for table, (name, message) in TABLES.items():
            if table not in present:
                continue
            if connection.vendor == "postgresql":
                cursor.execute(_POSTGRESQL.format(name=name, table=table, message=message))
                continue
            for action in ("UPDATE", "DELETE"):
                cursor.execute(
                    f"CREATE TRIGGER IF NOT EXISTS {name}_no_{action.lower()} BEFORE {action} ON {table} "
                    f"BEGIN SELECT RAISE(ABORT, '{message}'); END"
                )


def let_be_emptied(using: str = "default") -> None:
    """Let tests and the demo center empty the tables as a whole (SQLite does so by DELETE); `install` ends that."""
    connection = connections[using]
    with connection.cursor() as cursor:
        for table, (name, _message) in TABLES.items():
            if connection.vendor == "postgresql":
                cursor.execute(f"DROP TRIGGER IF EXISTS {name}_no_truncate ON {table}")
            else:
                cursor.execute(f"DROP TRIGGER IF EXISTS {name}_no_delete")
