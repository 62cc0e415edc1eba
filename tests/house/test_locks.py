"""The locks hold exact versions with hashes, and tell nobody where anything was fetched from."""

import re
from pathlib import Path

import pytest

LOCKS = sorted((Path(__file__).resolve().parents[2] / "requirements").glob("*.txt"))


def pins(lock: Path) -> dict[str, str]:
    joined = lock.read_text().replace("\\\n", " ")
    lines = [line.strip() for line in joined.splitlines() if line.strip() and not line.strip().startswith("#")]
    found = {}
    for line in lines:
        pin = re.match(r"([A-Za-z0-9._-]+)==(\S+)( ;.*?)?\s+--hash=sha256:[0-9a-f]{64}", line)
        assert pin, f"{lock.name}: not an exact version with a hash: {line[:80]}"
        found[pin[1].lower()] = pin[2]
    return found


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_every_line_is_pinned_with_hashes_and_no_address(lock):
    assert pins(lock)
    assert "://" not in lock.read_text()


def test_what_the_product_runs_on_is_what_is_tested():
    base, dev = (pins(next(lock for lock in LOCKS if lock.name == name)) for name in ("base.txt", "dev.txt"))
    assert {name: dev.get(name) for name in base} == base
