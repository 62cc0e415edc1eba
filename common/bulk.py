"""Writing rows on the hot paths: one statement for many rows, without building a query tree for each.

Django's `save`, `bulk_create` and `bulk_update` cost several times the database's own work (bench/README.md: intake and
sweep are measured beside plain SQL). Values still pass through the fields, so encryption and adapters hold; model
signals, which this house does not use, are not sent. Only names of our own tables and columns, quoted, and
placeholders are put into the SQL.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any

from django.core.exceptions import ObjectDoesNotExist
from django.db import DEFAULT_DB_ALIAS, connection, connections, models
from django_fsm import FSMField

_MOST_PARAMETERS = 30000


def reserve_key(row: models.Model) -> None:
    """Give a new row the next key of its table now, so that what points at it can be made before it is written.

    Both databases check foreign keys at the end of the transaction.
    """
    table, wrapper = _tables(type(row))[0]._meta, connections[DEFAULT_DB_ALIAS]
    with wrapper.cursor() as cursor:
        if wrapper.vendor == "postgresql":
            cursor.execute("SELECT nextval(pg_get_serial_sequence(%s, %s))", [table.db_table, table.pk.column])
        else:
            # SQLite has one writer; the counter is made with the first row, or here.
            cursor.execute(
                "INSERT INTO sqlite_sequence (name, seq) SELECT %s, 0 "
                "WHERE NOT EXISTS (SELECT 1 FROM sqlite_sequence WHERE name = %s)",
                [table.db_table, table.db_table],
            )
            cursor.execute("UPDATE sqlite_sequence SET seq = seq + 1 WHERE name = %s RETURNING seq", [table.db_table])
        (key,) = cursor.fetchone()
    setattr(row, table.pk.attname, key)
    row.pk = key


def refresh_statistics(*loaded: type[models.Model]) -> None:
    """Let the database count what a bulk load brought.

    Until autovacuum comes by, PostgreSQL plans for the empty tables it knew: reading 15,000 imported verdicts compared
    every reference with every case and took eight minutes.
    """
    if connection.vendor == "postgresql":
        tables = dict.fromkeys(
            connection.ops.quote_name(table._meta.db_table) for model in loaded for table in _tables(model)
        )
        with connection.cursor() as cursor:
            cursor.execute(f"ANALYZE {', '.join(tables)}")


def insert_rows(rows: Sequence[models.Model], *, ignore_conflicts: bool = False) -> None:
    """Insert new rows of one model (with its parents' halves) and set their keys, unless conflicts are ignored.

    Rows with a key reserved before keep it: all of them or none.
    """
    if not rows:
        return
    keyed = rows[0].pk is not None
    for model in _tables(type(rows[0])):
        size = max(1, _MOST_PARAMETERS // len(_inserted_fields(model, keyed)))
        for start in range(0, len(rows), size):
            _insert(model, rows[start : start + size], keyed=keyed, ignore_conflicts=ignore_conflicts)


@lru_cache(maxsize=64)
def _tables(model: type[models.Model]) -> list[type[models.Model]]:
    """The models whose tables hold a row of `model`, parents first."""
    return [*model._meta.all_parents, model]


@lru_cache(maxsize=64)
def _inserted_fields(model: type[models.Model], keyed: bool) -> list[Any]:
    return [field for field in model._meta.local_concrete_fields if keyed or not isinstance(field, models.AutoField)]


# Fields whose Python value is what the driver wants, and whose field would only hand it through.
_PLAIN = {
    models.BigAutoField, models.BooleanField, models.CharField, models.TextField, models.SlugField,
    models.BigIntegerField, models.PositiveIntegerField, models.PositiveSmallIntegerField, models.ForeignKey,
    models.OneToOneField, FSMField,
}  # fmt: skip


@lru_cache(maxsize=64)
def _writers(model: type[models.Model], vendor: str, keyed: bool) -> list[tuple[str, Any]]:
    """For each inserted column its attribute, and what adapts the value: None where nothing has to."""
    # psycopg2 takes instants and durations as they are; SQLite stores text and numbers.
    plain = _PLAIN | ({models.DateTimeField, models.DurationField} if vendor == "postgresql" else set())
    return [
        (field.attname, None if type(field) in plain else field.get_db_prep_save)
        for field in _inserted_fields(model, keyed)
    ]


@lru_cache(maxsize=512)
def _insert_sql(vendor: str, model: type[models.Model], count: int, keyed: bool, ignore_conflicts: bool) -> str:
    quote: Any = connection.ops.quote_name
    fields = _inserted_fields(model, keyed)
    line = "(" + ", ".join(["%s"] * len(fields)) + ")"
    pk: Any = model._meta.pk
    tail = ""
    if ignore_conflicts:
        tail = " ON CONFLICT DO NOTHING"
    elif isinstance(pk, models.AutoField) and not keyed:
        tail = f" RETURNING {quote(pk.column)}"
    columns = ", ".join(quote(field.column) for field in fields)
    return f"INSERT INTO {quote(model._meta.db_table)} ({columns}) VALUES {', '.join([line] * count)}{tail}"  # noqa: S608


def _insert(model: type[models.Model], rows: Sequence[models.Model], *, keyed: bool, ignore_conflicts: bool) -> None:
    wrapper = connections[DEFAULT_DB_ALIAS]
    writers = _writers(model, wrapper.vendor, keyed)
    parameters = [
        value if (value := getattr(row, name)) is None or adapt is None else adapt(value, wrapper)
        for row in rows
        for name, adapt in writers
    ]
    asks = isinstance(model._meta.pk, models.AutoField) and not keyed and not ignore_conflicts
    with wrapper.cursor() as cursor:
        cursor.execute(_insert_sql(wrapper.vendor, model, len(rows), keyed, ignore_conflicts), parameters)
        keys = cursor.fetchall() if asks else []
    for row, (key,) in zip(rows, keys, strict=False):
        # The table's own key, and the link of a kind to its case.
        setattr(row, model._meta.pk.attname, key)
        row.pk = key
    for row in rows:
        row._state.adding, row._state.db = False, DEFAULT_DB_ALIAS


def update_row(row: models.Model, attnames: Iterable[str]) -> None:
    """Write the named columns of one row, in whichever of its tables they are; ObjectDoesNotExist if it is gone."""
    wanted = set(attnames)
    for model in _tables(type(row)):
        fields: list[Any] = [field for field in model._meta.local_concrete_fields if field.attname in wanted]
        if not fields:
            continue
        quote = connection.ops.quote_name
        assignments = ", ".join(f"{quote(field.column)} = %s" for field in fields)
        pk: Any = model._meta.pk
        sql = f"UPDATE {quote(model._meta.db_table)} SET {assignments} WHERE {quote(pk.column)} = %s"  # noqa: S608
        values = [field.get_db_prep_save(getattr(row, field.attname), connection) for field in fields]
        with connection.cursor() as cursor:
            cursor.execute(sql, [*values, row.pk])
            if cursor.rowcount != 1:
                raise ObjectDoesNotExist(f"{model._meta.label} {row.pk} is gone")


def update_rows(rows: Sequence[models.Model], fields: Sequence[str]) -> int:
    """Write `fields` of unsaved changes of `rows` (all of one table, with primary keys); return the rows written.

    `UPDATE … FROM (VALUES …)`, which both databases speak; Django's bulk_update writes a CASE per row and field.
    """
    if not rows:
        return 0
    meta = rows[0]._meta
    columns = [meta.get_field(name) for name in fields]
    size = max(1, _MOST_PARAMETERS // (len(columns) + 1))
    return sum(_update(meta, columns, rows[start : start + size]) for start in range(0, len(rows), size))


def _update(meta: Any, columns: Sequence[Any], rows: Sequence[models.Model]) -> int:
    quote = connection.ops.quote_name
    postgres = connection.vendor == "postgresql"

    def source(position: int, field: Any) -> str:
        name = f"v.column{position}"
        if not postgres:
            return name
        # PostgreSQL reads untyped VALUES as text; SQLite has no types to cast to.
        return f"CAST({name} AS {field.rel_db_type(connection) if field.primary_key else field.db_type(connection)})"

    assignments = ", ".join(
        f"{quote(field.column)} = {source(position, field)}" for position, field in enumerate(columns, start=2)
    )
    line = "(" + ", ".join(["%s"] * (len(columns) + 1)) + ")"
    sql = (
        f"UPDATE {quote(meta.db_table)} AS t SET {assignments} "  # noqa: S608
        f"FROM (VALUES {', '.join([line] * len(rows))}) AS v WHERE t.{quote(meta.pk.column)} = {source(1, meta.pk)}"
    )
    parameters: list[Any] = []
    for row in rows:
        parameters.append(row.pk)
        parameters += [field.get_db_prep_save(getattr(row, field.attname), connection) for field in columns]
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        return cursor.rowcount
