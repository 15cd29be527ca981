"""Starts the simulator for a scenario and stops it afterwards."""

import contextlib
import os
import re
import subprocess


@contextlib.contextmanager
def simulator(*flags):
    """Runs `$VIMSIM` with these flags on a free port; gives (host, port)."""
    command = [os.environ["VIMSIM"], "-l", "127.0.0.1:0", *flags]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        line = process.stdout.readline()
        found = re.search(r"GOVC_URL=https?://[^@]*@([^:]+):(\d+)/sdk", line)
        if not found:
            raise RuntimeError(f"no ready line, but {line!r}")
        yield found[1], int(found[2])
        if process.poll() is not None:
            raise RuntimeError(f"the simulator ended by itself, with {process.returncode}")
    finally:
        process.terminate()
        if process.wait(timeout=10) != 0:
            raise RuntimeError(f"the simulator ended with {process.returncode}")
