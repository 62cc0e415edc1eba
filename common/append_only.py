"""Tables whose rows are written once: triggers of the database itself refuse UPDATE, DELETE and TRUNCATE.

Each room names its own in `apps.py`. The triggers are made after every migrate, because SQLite loses them when a table
is remade, and a house that was there before a table was guarded gets them too.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.apps import AppConfig
from django.db import connections
from django.db.models.signals import post_migrate


@dataclass(frozen=True)
class Guarded:
    """A table, the name of its triggers and what they say. `erasable` rows are people's data, or hang on them."""

    table: str
    name: str
    message: str
    erasable: bool = False


_guarded: dict[str, tuple[Guarded, ...]] = {}

# Erasure has its own door: a session that names its reason may remove what the law wants removed.
_DOOR = """
    IF current_setting('servicecenter.erasure', true) IS NOT NULL
       AND current_setting('servicecenter.erasure', true) <> '' THEN
        RETURN COALESCE(NEW, OLD);
    END IF;"""

_POSTGRESQL = """
CREATE OR REPLACE FUNCTION {name}_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN{door}
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


def guard(room: AppConfig, *tables: Guarded) -> None:
    """Keep these tables of a room append-only from its next migrate on."""
    _guarded[room.label] = tables
    post_migrate.connect(_after_migrate, sender=room, dispatch_uid=f"common.append_only.{room.label}")


def _after_migrate(sender: AppConfig, using: str, **_signal: Any) -> None:
    _make(_guarded[sender.label], using)


def install(using: str = "default") -> None:
    """Make the triggers of every room anew."""
    _make(_all(), using)


def let_be_emptied(using: str = "default") -> None:
    """Let tests and the demo center empty the tables as a whole (SQLite does so by DELETE); `install` ends that."""
    connection = connections[using]
    with connection.cursor() as cursor:
        for guarded in _all():
            if connection.vendor == "postgresql":
                cursor.execute(f"DROP TRIGGER IF EXISTS {guarded.name}_no_truncate ON {guarded.table}")
            else:
                cursor.execute(f"DROP TRIGGER IF EXISTS {guarded.name}_no_delete")


def _all() -> list[Guarded]:
    return [guarded for tables in _guarded.values() for guarded in tables]


def _make(tables: Iterable[Guarded], using: str) -> None:
    """Create the triggers where the tables exist."""
    connection = connections[using]
    present = connection.introspection.table_names()
    with connection.cursor() as cursor:
        for guarded in tables:
            if guarded.table not in present:
                continue
            name, table, message = guarded.name, guarded.table, guarded.message
            if connection.vendor == "postgresql":
                door = _DOOR if guarded.erasable else ""
                cursor.execute(_POSTGRESQL.format(name=name, table=table, message=message, door=door))
                continue
            for action in ("UPDATE", "DELETE"):
                cursor.execute(
                    f"CREATE TRIGGER IF NOT EXISTS {name}_no_{action.lower()} BEFORE {action} ON {table} "
                    f"BEGIN SELECT RAISE(ABORT, '{message}'); END"
                )
