"""Output files: whole or as they were."""

from __future__ import annotations

import os

import pytest

from common.output import whole_file


def test_what_fails_leaves_the_old_file_and_nothing_beside_it(tmp_path):
    kept = tmp_path / "out.csv"
    kept.write_text("kept")
    with pytest.raises(ZeroDivisionError), whole_file(kept) as out:
        out.write(str(1 / 0))
    assert kept.read_text() == "kept"
    assert list(tmp_path.iterdir()) == [kept]


def test_what_succeeds_takes_its_place_behind_a_link_and_with_its_rights(tmp_path):
    kept, link = tmp_path / "out.csv", tmp_path / "link.csv"
    kept.write_text("old")
    kept.chmod(0o640)
    link.symlink_to(kept)
    with whole_file(link) as out:
        out.write("new")
    assert (link.is_symlink(), kept.read_text(), kept.stat().st_mode & 0o777) == (True, "new", 0o640)


def test_a_device_is_written_to_as_it_is():
    with whole_file(os.devnull) as out:
        out.write("away")
    assert not os.path.isfile(os.devnull)


def test_a_folder_that_is_not_there_is_refused_before_any_work_under_the_name_asked_for(tmp_path):
    with pytest.raises(FileNotFoundError) as refusal, whole_file(tmp_path / "nowhere" / "out.csv"):
        pytest.fail("no work is begun")
    assert refusal.value.filename == str(tmp_path / "nowhere" / "out.csv")
