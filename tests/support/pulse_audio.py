"""A sound server for one test, with a sound card that is made of nothing."""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

END_S = 5.0


@contextmanager
def pulse_audio(folder: Path, environment: pytest.MonkeyPatch, *, source: str = "spk.monitor") -> Iterator[None]:
    """PulseAudio with a null sink, whose monitor is the microphone: what is played is heard 40 ms later or so.

    With `source` "mute.monitor" the microphone is another sink's, on which nobody plays.
    """
    if shutil.which("pulseaudio") is None or shutil.which("pactl") is None:
        pytest.skip("pulseaudio and pulseaudio-utils are not installed")
    if os.geteuid() != 0:
        pytest.skip("the sound server is started for this test by root only; a user's own one is left alone")
    pytest.importorskip("sounddevice", reason="sounddevice or PortAudio is not installed", exc_type=OSError)
    runtime = folder / "xdg"
    runtime.mkdir(mode=0o700)
    socket = runtime / "native"
    for name, value in {
        "XDG_RUNTIME_DIR": str(runtime), "HOME": str(folder), "PULSE_SERVER": f"unix:{socket}",
        "PULSE_SINK": "spk", "PULSE_SOURCE": source,
    }.items():  # fmt: skip
        environment.setenv(name, value)
    command = ["pulseaudio", "-n", "--daemonize=no", "--exit-idle-time=-1", "--realtime=no", "--use-pid-file=no"]
    for module in (
        f"module-native-protocol-unix socket={socket} auth-anonymous=1",
        "module-null-sink sink_name=spk rate=48000 channels=1",
        "module-null-sink sink_name=mute rate=48000 channels=1",
    ):
        command += ["-L", module]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
        try:
            for _ in range(500):
                if subprocess.run(["pactl", "info"], capture_output=True, check=False).returncode == 0:
                    break
                assert server.poll() is None, "pulseaudio ended at once"
                threading.Event().wait(0.01)
            yield
        finally:
            server.terminate()
            server.wait(END_S)
