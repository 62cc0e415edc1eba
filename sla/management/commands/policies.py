"""Write the policy in force as TOML, or publish that of a file as a new version, valid from now.

An open case keeps the version it opened under (requirements.md §30, point 5), so that no open deadline moves.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser

from common import clock
from common.commands import DatabaseCommand
from sla import files, policies, shipped
from sla.arithmetic import CalendarError
from sla.models import PolicyVersion

from .calendars import write


class Command(DatabaseCommand):
    help = __doc__

    def add_arguments(self, parser: CommandParser) -> None:
        acts = parser.add_subparsers(dest="act", required=True, metavar="export|load")
        export = acts.add_parser("export", help="write the newest version of the policy")
        export.add_argument("file", type=Path, metavar="FILE", help="- is standard output")
        load = acts.add_parser("load", help="publish the policy of a file")
        load.add_argument("file", type=Path, metavar="FILE")
        load.add_argument("--dry-run", action="store_true", help="only list what would change")
        load.add_argument("--new-law", action="store_true", help="the law has changed: let legal limits become looser")

    def handle(self, *, act: str, file: Path, dry_run: bool = False, new_law: bool = False, **_options: Any) -> None:
        newest = PolicyVersion.objects.filter(scope="").order_by("number").last()
        if act == "export":
            if newest is None:
                raise CommandError("there is no policy yet; `manage.py shipped` loads the one of the house")
            write(self, file, files.write_policy(newest))
            return
        form, rules = self.read(file)
        if newest is not None and not new_law:
            try:
                policies.check_law(newest.rules.order_by("pk"), rules, shipped.known_calendars())
            except (policies.PolicyError, CalendarError) as refusal:  # the old calendar may know no end any more
                raise CommandError(f"{file}: {refusal}; if the law itself has changed, say --new-law") from None
        before = [] if newest is None else [_said(rule) for rule in newest.rules.order_by("pk")]
        after = [_said(rule) for rule in rules]
        if before == after:
            self.stdout.write("nothing changed")
            return
        for sign, lines, others in (("-", before, after), ("+", after, before)):
            for line in lines:
                if line not in others:
                    self.stdout.write(f"{sign} {line}")
        for kind in policies.unknown_kinds(rules):
            self.stdout.write(f"nothing is of the kind {kind!r} here: its rules hold for no case yet")
        self.stdout.write("0 open deadlines move: an open case keeps the policy it was opened under")
        if dry_run:
            return
        now = clock.now()
        version = shipped.publish_policy(form, at=now, valid_from=now)
        self.stdout.write(f"version {version.number} holds for cases received from {now.isoformat(timespec='seconds')}")

    def read(self, file: Path) -> tuple[dict[str, Any], list[policies.RuleForm]]:
        try:
            form = files.read_toml(file)
            if "calendar" in form:
                raise files.FileError(f"{file}: load calendars first, with `manage.py calendars load`")
            try:
                return form, shipped.check_policy(form)
            except (policies.PolicyError, CalendarError) as refusal:
                raise files.FileError(f"{file}: {refusal}") from None
        except files.FileError as refusal:
            raise CommandError(" ".join(str(refusal).split())) from None


def _said(rule: Any) -> str:
    return json.dumps(files.rule_table(rule), ensure_ascii=False, sort_keys=True)
