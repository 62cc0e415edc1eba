"""Rules of this house that no linter knows. Each names the harm; a line that must break one is moved to ALLOWED."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ROOMS = (
    "common",
    "customers",
    "staff",
    "cases",
    "notifications",
    "sla",
    "tickets",
    "appointments",
    "desk",
    "dashboards",
    "portal",
    "servicecenter",
)

CODE = [
    path
    for room in ROOMS
    for path in sorted((ROOT / room).rglob("*.py"))
    if "migrations" not in path.parts and "__pycache__" not in path.parts
]
TEMPLATES = [
    path
    for folder in ("templates", *ROOMS)
    for kind in ("*.html", "*.txt", "*.js", "*.css")
    for path in sorted((ROOT / folder).rglob(kind))
]

# rule → (pattern, a line it must catch, a line it must leave alone)
RULES = {
    "state is changed by transitions only (update skips guard, event and clocks)": (
        r"\.(update|bulk_update|create|get_or_create|update_or_create)\([^)]*\bstate=(?!Message|DeadlineState)",
        'tickets.update(state="closed")',
        'tickets.filter(state="closed")',
    ),
    "the clock is read through common.clock.now()": (
        r"timezone\.now\(|datetime\.(now|utcnow|today)\(|date\.today\(|\bNow\(\)",
        "at = timezone.now()",
        "at = clock.now()",
    ),
    "no Celery eta or countdown holds a promise: make a timer": (
        r"\b(eta|countdown)=",
        "task.apply_async(countdown=60)",
        "task.delay()",
    ),
    "no wall-clock schedule: a time of day is a row in the timers": (
        r"\bcrontab\(",
        "crontab(hour=9)",
        "add_periodic_task(2.0, sweep)",
    ),
    "requests are not transactions: services are": (
        r"ATOMIC_REQUESTS.*True",
        '"ATOMIC_REQUESTS": True',
        "with transaction.atomic():",
    ),
}
ALLOWED = {
    ("common/clock.py", "the clock is read through common.clock.now()"),
    # Sessions end by the machine's clock, as Django's own table of them does.
    ("common/session.py", "the clock is read through common.clock.now()"),
}


@pytest.mark.parametrize("rule", RULES)
def test_rule_catches_its_bad_example_and_leaves_the_good_one(rule):
    pattern, bad, good = RULES[rule]
    assert re.search(pattern, bad)
    assert not re.search(pattern, good)


@pytest.mark.parametrize("rule", RULES)
def test_rule_holds(rule):
    pattern = RULES[rule][0]
    broken = []
    for path in CODE:
        name = path.relative_to(ROOT).as_posix()
        if (name, rule) in ALLOWED:
            continue
        for number, line in enumerate(path.read_text().splitlines(), 1):
            if re.search(pattern, line.split("  # ")[0]):
                broken.append(f"{name}:{number}: {line.strip()}")
    assert broken == [], rule


def test_no_file_names_a_place_on_this_machine():
    """Absolute paths of a developer's machine have no business in what we ship."""
    pattern = re.compile(r"(?<![\w.])/(work|root|home/\w+)/")
    broken = [
        path.relative_to(ROOT).as_posix()
        for path in [*CODE, *TEMPLATES, *sorted((ROOT / "scripts").iterdir()), *sorted(ROOT.glob("*.*"))]
        if path.is_file() and pattern.search(path.read_text(errors="ignore"))
    ]
    assert broken == []
