"""`manage.py replay`: tell a file's story again through the real services on a simulated clock (docs/import.md)."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import Error, connection
from django.test.utils import override_settings
from django.utils import translation

from common.iso import read_instant
from common.output import is_same_file, whole_file
from tickets.importing.bulk import Report
from tickets.importing.maps import CaseMap, FarOff, MapError, load_map, local_instant
from tickets.importing.replay import Replay, write_verdicts

from .import_cases import map_path, progress

UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


class Command(BaseCommand):
    help = (
        "Replay a log through the real services in time order, in a throwaway database, and write the verdict of every "
        "promise as CSV."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path, metavar="FILE")
        parser.add_argument("--map", required=True, metavar="MAP.toml", help="or the name of a map the house ships")
        parser.add_argument("--tick", default="60s", help="how often the simulated sweep runs: 60s, 1h, 1d")
        parser.add_argument("--out", type=Path, required=True, metavar="VERDICTS.csv")
        parser.add_argument("--until", metavar="INSTANT", help="judge open cases then (default: the last instant)")
        parser.add_argument("--keep", action="store_true", help="keep the throwaway database and say how to open it")

    def handle(self, *, file: Path, map: str, tick: str, out: Path, until: str | None, **options: Any) -> None:
        span = read_tick(tick)

        def tell(report: Report) -> None:
            for line in report.lines(dry_run=False):
                self.stdout.write(line.replace("imported", "replayed"))

        try:
            case_map = load_map(map_path(map))
            end = read_until(until, case_map)
            for source in (file, map_path(map)):
                if is_same_file(out, source):
                    raise CommandError(f"--out {out} is what is read: it would be overwritten")
            with whole_file(out) as verdicts, scratch_database(options["keep"]) as place:
                started = time.monotonic()
                replay = Replay(file, case_map, tick=span)
                with translation.override("en"):
                    report = replay.run(until=end, progress=progress)
                if not report.imported and (failure := report.failure("replayed")):
                    tell(report)
                    raise CommandError(failure)
                counts = write_verdicts(verdicts, case_map, until=replay.until)
                seconds = time.monotonic() - started
        except MapError as problem:
            raise CommandError(str(problem)) from None
        except OSError as problem:
            raise CommandError(f"{problem.filename}: {problem.strerror}") from None
        tell(report)
        self.stdout.write(f"judged at {replay.until.astimezone(case_map.zone).isoformat()}")
        for key, count in sorted(counts.items()):
            self.stdout.write(f"{key}: {count}")
        self.stdout.write(f"{replay.sweeps} sweeps at ticks of {tick}, {seconds:.0f} s")
        if options["keep"]:
            self.stdout.write(f"kept: DATABASE_URL={place}")
        if failure := report.failure("replayed"):
            raise CommandError(failure)


def read_tick(text: str) -> timedelta:
    match = re.fullmatch(r"([0-9]{1,6})([smhd])", text.strip())
    if match is None or not int(match[1]):
        raise CommandError(f"--tick {text!r}: write 60s, 5m, 1h or 1d")
    return timedelta(seconds=int(match[1]) * UNITS[match[2]])


def read_until(text: str | None, case_map: CaseMap) -> datetime | None:
    if text is None:
        return None
    try:
        return local_instant(read_instant(text), case_map.zone)
    except FarOff as problem:
        raise CommandError(f"--until {text!r} {problem}") from None
    except ValueError:
        raise CommandError(f"--until {text!r} is not an instant, such as 2011-10-15T00:00") from None


@contextmanager
def scratch_database(keep: bool) -> Iterator[str]:
    """A fresh, migrated database of the configured kind in place of the configured one; dropped unless kept.

    Yields its URL.
    """
    folder = Path(tempfile.mkdtemp(prefix="replay-"))
    embedded = connection.vendor == "sqlite"
    before = connection.settings_dict["NAME"]
    test = connection.settings_dict["TEST"]
    # Django's own way to a fresh database, under a name that no other run has.
    test["NAME"] = str(folder / "replay.sqlite3") if embedded else folder.name.replace("-", "_")
    try:
        connection.creation.create_test_db(verbosity=0, autoclobber=True, serialize=False)
    except Error as problem:
        raise CommandError(f"no throwaway database could be made: {str(problem).strip()}") from None
    try:
        if embedded:
            with connection.cursor() as cursor:
                cursor.execute("PRAGMA synchronous=OFF")  # it is thrown away anyway
        # Nobody works beside a replay: no breath between batches.
        with override_settings(SWEEP_BREATH_SECONDS=0.0):
            yield _url(test["NAME"], embedded)
    finally:
        connection.creation.destroy_test_db(before, verbosity=0, keepdb=keep)
        if not (keep and embedded):
            shutil.rmtree(folder, ignore_errors=True)


def _url(name: str, embedded: bool) -> str:
    if embedded:
        return f"sqlite://{name}"
    return urlsplit(os.environ["DATABASE_URL"])._replace(path=f"/{name}").geturl()
