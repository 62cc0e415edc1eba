from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import polib
from django.conf import settings
from django.core.management.base import BaseCommand


class Command(BaseCommand):
    help = "Compile every locale/**/django.po beside itself; needs no gettext, and skips what is up to date."

    def handle(self, *args: Any, **options: Any) -> None:
        for folder in settings.LOCALE_PATHS:
            for source in sorted(Path(folder).rglob("django.po")):
                target = source.with_suffix(".mo")
                if target.exists() and target.stat().st_mtime >= source.stat().st_mtime:
                    continue
                # Test workers may compile at the same moment: nobody must read half a file.
                fresh = target.with_suffix(f".{os.getpid()}")
                polib.pofile(str(source)).save_as_mofile(str(fresh))
                fresh.replace(target)
                if options["verbosity"]:
                    self.stdout.write(f"Wrote {target}")
