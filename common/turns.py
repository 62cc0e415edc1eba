"""Work that must not be done twice at the same time, and has no row to lock yet."""

from django.db import connection


def take_turn(word: str) -> None:
    """Wait until nobody else is in a transaction that took this word; hold it to the end of the present transaction.

    SQLite has one writer, whose transactions follow one another anyway.
    """
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [word])
