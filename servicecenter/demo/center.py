"""Whose records these are: the mark that tells a demo center from a real one, and clearing it away."""

from __future__ import annotations

from datetime import datetime

from django.apps import apps
from django.contrib.sessions.models import Session
from django.db import connection, transaction

from cases.models import Case, ExternalReference
from common import append_only
from common.errors import DomainError
from customers.models import Customer
from staff.models import User

# The first demo ticket bears a number in a system of this name: the instant the demo was made for.
MARK = "demo-center"
ROOMS = ("customers", "staff", "cases", "notifications", "sla", "tickets", "appointments", "portal")


class NotADemo(DomainError):
    """The records here were not made by the demo, so the demo does not touch them."""

    code = "not_a_demo"


def made_at() -> datetime | None:
    """The instant the demo center in this database was made for; None where there is none."""
    mark = ExternalReference.objects.filter(source=MARK).first()
    return datetime.fromisoformat(mark.number) if mark else None


def mark(case: Case, *, now: datetime) -> None:
    ExternalReference.objects.create(case_id=case.pk, source=MARK, number=now.isoformat())


def is_empty() -> bool:
    return not (Case.objects.exists() or User.objects.exists() or Customer.objects.exists())


def refuse_real_records() -> None:
    """Raise NotADemo unless this database is empty or holds a demo and nothing that was imported."""
    if is_empty():
        return
    if made_at() is None:
        raise NotADemo("There are records here that the demo did not make; it leaves them alone.")
    imported = ExternalReference.objects.exclude(source=MARK).count()
    if imported:
        raise NotADemo(f"{imported} imported cases are in this demo center; it is not thrown away with them.")


def clear() -> None:
    """Remove every domain record. Only for a demo center: refuses anything else."""
    refuse_real_records()
    models = [apps.get_app_config(room).get_models(include_auto_created=True) for room in ROOMS]
    tables = [model._meta.db_table for room in models for model in room]
    tables.append(Session._meta.db_table)
    with transaction.atomic(), connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
            append_only.let_be_emptied()
            names = ", ".join(connection.ops.quote_name(table) for table in tables)
            cursor.execute(f"TRUNCATE {names} RESTART IDENTITY CASCADE")
            append_only.install()
            cursor.execute("SET CONSTRAINTS ALL DEFERRED")  # as they were: a new ticket's rows come before itself
            return
        # SQLite checks foreign keys at the end of the transaction (Django makes them deferred): any order will do.
        append_only.let_be_emptied()
        for table in tables:
            cursor.execute(f"DELETE FROM {connection.ops.quote_name(table)}")  # noqa: S608 - our own table names
            cursor.execute("DELETE FROM sqlite_sequence WHERE name = %s", [table])
        append_only.install()
