"""`manage.py plan_instance`: plan a published instance of technicians and jobs, and say what is left over and why."""

from __future__ import annotations

import csv
import time
from collections import Counter
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from appointments.instance_check import problems
from appointments.instances import COLUMNS, DAY, InstanceError, read_instance, rows_of, texts
from appointments.planner import plan_days


class Command(BaseCommand):
    help = (
        "Plan an instance of the ROADEF 2007 challenge and write it as CSV: who does what when, and why the rest is "
        "left. A summary follows on standard error. Reads and writes no record of the center."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("folder", type=Path, metavar="FOLDER", help="where NN_instance.txt and its two lists are")
        parser.add_argument("number", metavar="NN", help="the instance, such as 01")
        parser.add_argument("--days", type=int, default=1, metavar="N", help="how many working days there are (1)")
        parser.add_argument(
            "--check",
            action="store_true",
            help="have every rule and every reason checked independently, from the files",
        )

    def handle(self, *, folder: Path, number: str, days: int, check: bool, **options: Any) -> None:
        if not 1 <= days <= 366:
            raise CommandError("--days: 1 to 366, please")
        try:
            files = texts(folder, number.zfill(2))
            instance = read_instance(files)
        except OSError as problem:
            raise CommandError(f"{problem.filename}: {problem.strerror}") from None
        except UnicodeDecodeError:
            raise CommandError(f"{folder}: the files of {number} are not UTF-8 text") from None
        except InstanceError as problem:
            raise CommandError(f"{number}_{problem}") from None
        began = time.process_time()
        plan = plan_days(instance.tasks, instance.people, days=days, length=DAY)
        seconds = time.process_time() - began
        rows = rows_of(instance, plan)
        table = csv.DictWriter(self.stdout, COLUMNS, lineterminator="\n")
        table.writeheader()
        table.writerows(rows)
        left = ", ".join(f"{count} {reason}" for reason, count in sorted(Counter(plan.left.values()).items()))
        self.stderr.write(
            f"{number}: {len(plan.placed)} of {len(rows)} assigned (days: {days}), {len(plan.left)} left"
            f"{f' ({left})' if left else ''}, {seconds:.2f} s of CPU"
        )
        if check:
            if found := problems(files, rows, days=days):
                raise CommandError("\n".join(["the check disagrees:", *found]))
            self.stderr.write(
                f"checked: skills, days off, precedence, no overlap, within the day; {len(plan.left)} reasons confirmed"
            )
