"""The embedded queue: a message that is not whole ends no worker, and ours are whole from their first moment."""

from __future__ import annotations

from pathlib import Path
from queue import Empty
from typing import Any

import pytest
from kombu import Connection

from servicecenter import queue_files


@pytest.fixture
def channel(tmp_path: Path) -> Any:
    folders = {name: str(tmp_path / name) for name in ("data_folder_in", "processed_folder", "control_folder")}
    for folder in folders.values():
        Path(folder).mkdir()
    options = {**folders, "data_folder_out": folders["data_folder_in"]}
    with Connection(f"{queue_files.SCHEME}://localhost", transport_options=options) as connection:
        yield connection.default_channel


def test_what_is_put_is_got_in_order_and_nothing_else_is_left(channel: Any, tmp_path: Path) -> None:
    for number in (1, 2):
        channel._put("sweep", {"number": number})
    channel._put("deliver", {"number": 3})
    assert sorted(channel._get("sweep")["number"] for _ in range(2)) == [1, 2]
    with pytest.raises(Empty):
        channel._get("sweep")
    assert [path.name.rpartition("_")[2].split(".")[1] for path in (tmp_path / "data_folder_in").iterdir()] == [
        "deliver"
    ]


def test_a_file_that_is_not_whole_is_put_aside_and_the_next_message_is_taken(channel: Any, tmp_path: Path) -> None:
    (tmp_path / "data_folder_in" / "0_x.sweep.msg").write_bytes(b"")
    (tmp_path / "data_folder_in" / "1_x.sweep.msg").write_bytes(b'{"number"')
    channel._put("sweep", {"number": 4})
    assert channel._get("sweep") == {"number": 4}


def test_no_reader_sees_a_message_before_it_is_written(channel: Any, tmp_path: Path, monkeypatch: Any) -> None:
    seen: list[Any] = []

    def look(payload: Any) -> str:
        seen.append([path.name for path in (tmp_path / "data_folder_in").glob("*.msg")])
        return "{}"

    monkeypatch.setattr(queue_files, "dumps", look)
    channel._put("sweep", {"number": 5})
    assert seen == [[]]
    assert channel._get("sweep") == {}
