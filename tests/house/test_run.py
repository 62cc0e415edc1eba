"""`make run` brings everything up, and one signal takes everything down: nothing is left behind."""

import os
import signal
import socket
import subprocess
import time
import urllib.request
from pathlib import Path

import pytest
from django.conf import settings

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def of_this_run(folder: Path) -> list[str]:
    """The command lines of all processes whose environment names `folder`."""
    found = []
    for process in Path("/proc").iterdir():
        try:
            if process.name.isdigit() and f"SERVICECENTER_VAR={folder}".encode() in (process / "environ").read_bytes():
                found.append((process / "cmdline").read_bytes().replace(b"\0", b" ").decode())
        except OSError:  # gone, or somebody else's
            continue
    return [line for line in found if line.strip()]  # a zombie has no command line


def start(folder, port, **more):
    keep = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    return subprocess.Popen(
        ["scripts/run"],
        cwd=ROOT,
        env={**keep, "SERVICECENTER_VAR": str(folder), "PORT": str(port), "DEMO": "0", **more},
        stdout=(folder.parent / "log").open("w"),  # a pipe that nobody empties would stop it
        stderr=subprocess.STDOUT,
        start_new_session=True,
        preexec_fn=_listening,
    )


def _listening():
    """A shell cannot trap what it inherits as ignored, and a suite started by nohup ignores the hang-up."""
    for how in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(how, signal.SIG_DFL)


def wait_until(true, seconds):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if true():
            return True
        time.sleep(0.2)
    return False


def answers(port):
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=5) as answer:
            return answer.status == 200
    except OSError:
        return False


@pytest.mark.long
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_it_comes_up_healthy_and_one_signal_ends_all_of_it(tmp_path, port, how):
    if not settings.EMBEDDED:
        pytest.skip("runs with the embedded default")
    folder = tmp_path / "var"
    run = start(folder, port)
    try:
        healthy = wait_until(lambda: answers(port) or run.poll() is not None, 90)
        assert healthy, (tmp_path / "log").read_text()
        assert run.poll() is None, (tmp_path / "log").read_text()
        kinds = " ".join(of_this_run(folder))
        assert all(word in kinds for word in ("gunicorn", "--queues sweep", "--queues deliver", "servicecenter.beat"))
        # A terminal tells the whole foreground group; a supervisor tells the one process it started.
        if how == signal.SIGTERM:
            run.send_signal(how)
        else:
            os.killpg(run.pid, how)
        run.wait(timeout=90)
        assert wait_until(lambda: of_this_run(folder) == [], 10), of_this_run(folder)
    finally:
        if run.poll() is None:
            os.killpg(run.pid, signal.SIGKILL)
            run.wait()


def test_a_port_in_use_stops_it_with_one_line(tmp_path, port):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", port))
        taken.listen()
        run = start(tmp_path / "var", port, FIELD_KEYS=settings.FIELD_KEYS)
        assert run.wait(timeout=60) != 0
    assert (tmp_path / "log").read_text().splitlines() == [
        f"PORT={port} cannot be used (address already in use). Choose another: PORT={port + 1} make run"
    ]
