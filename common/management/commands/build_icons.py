from __future__ import annotations

import re
import zipfile
from pathlib import Path
from typing import Any

import lucide
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

NAMES = Path(__file__).resolve().parents[2] / "icons.txt"


def sprite(names: list[str]) -> str:
    """One <symbol> a name, drawn by Lucide. KeyError names an icon that Lucide does not have."""
    archive = zipfile.ZipFile(Path(lucide.__file__).parent / "lucide.zip")
    symbols = []
    for name in names:
        drawing = archive.read(f"{name}.svg").decode()
        inner = re.sub(r"<svg[^>]*>|</svg>", "", drawing)
        body = re.sub(r">\s+<", "><", re.sub(r"\s+", " ", inner)).strip()
        symbols.append(
            f'<symbol id="{name}" viewBox="0 0 24 24" fill="none" stroke="currentColor" stroke-width="2" '
            f'stroke-linecap="round" stroke-linejoin="round">{body}</symbol>'
        )
    return f'<svg xmlns="http://www.w3.org/2000/svg">{"".join(symbols)}</svg>\n'


class Command(BaseCommand):
    help = "Write icons.svg, one symbol for each name in common/icons.txt, where collectstatic finds it."

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            drawn = sprite(NAMES.read_text().split())
        except KeyError as missing:
            raise CommandError(f"Lucide has no such icon: {missing}") from missing
        target = Path(settings.GENERATED_DIR) / "icons.svg"
        if target.exists() and target.read_text() == drawn:
            return
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(drawn)
        if options["verbosity"]:
            self.stdout.write(f"Wrote {target}")
