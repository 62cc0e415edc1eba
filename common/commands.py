"""What the house's management commands share."""

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError, OperationalError, connection
from django.db.migrations.executor import MigrationExecutor


class DatabaseCommand(BaseCommand):
    """A command that works on the house's records: where there are none to work on, it says so in one line."""

    def execute(self, *args: Any, **options: Any) -> Any:
        if connection.vendor == "sqlite" and not _is_there(str(connection.settings_dict["NAME"])):
            raise CommandError(NOT_MIGRATED)  # asking would make an empty database
        try:
            return super().execute(*args, **options)
        except DatabaseError:
            if reason := _out_of_use():
                raise CommandError(reason) from None
            raise


NOT_MIGRATED = "the database is not migrated: run `manage.py prepare` first"


def _is_there(name: str) -> bool:
    return name.startswith(("file:", ":memory:")) or Path(name).exists()


def _out_of_use() -> str:
    """Why nothing can be done on this database; nothing where it answers and is migrated."""
    try:
        executor = MigrationExecutor(connection)
    except OperationalError as problem:
        return f"the database does not answer: {' '.join(str(problem).split())}"
    return NOT_MIGRATED if executor.migration_plan(executor.loader.graph.leaf_nodes()) else ""
