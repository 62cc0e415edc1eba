"""What every process of the house loads, it holds as often as there are processes."""

from __future__ import annotations

import subprocess
import sys

from tests.proof import ROOT

# As a Celery worker starts: all models, all tasks, and the checks, which read every address and so every view.
START = """
import sys
import servicecenter.celery as worker
import django
from django.core.checks import run_checks
django.setup()
worker.app.loader.import_default_modules()
run_checks()
print(*[name for name in ("pypinyin", "desk.intake") if name in sys.modules])
"""


def test_a_worker_does_not_load_the_50_mb_of_tables_that_only_names_need():
    done = subprocess.run([sys.executable, "-c", START], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["desk.intake"]
