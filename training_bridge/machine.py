"""What a program ran on and what it took: `machine.json` of a run directory.

    {"device": "CPU", "memory_mb": 15982, "peak_mb": 1210, "cpu_s": 96.1, "wall_s": 98.0}

On a GPU device and memory are the GPU's, and the peak is what was reserved on it. The runner keeps these with the run, so
that pages can say what a worker has and what the next run will take. Imports no torch: a program that used it has it.
"""

from __future__ import annotations

import os
import resource
import sys
import time
from pathlib import Path
from typing import Any

LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")
MB = 1 << 20


class Meter:
    def __init__(self) -> None:
        self.began = time.monotonic()

    def read(self) -> dict[str, Any]:
        used = resource.getrusage(resource.RUSAGE_SELF)
        peak = used.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
        found: dict[str, Any] = {"device": "CPU", "memory_mb": memory() // MB, "peak_mb": peak // MB}
        torch = sys.modules.get("torch")
        if torch is not None and torch.cuda.is_available():
            found["device"] = torch.cuda.get_device_name()
            found["memory_mb"] = torch.cuda.get_device_properties(0).total_memory // MB
            found["peak_mb"] = torch.cuda.max_memory_reserved() // MB
        found["cpu_s"] = round(used.ru_utime + used.ru_stime, 1)
        found["wall_s"] = round(time.monotonic() - self.began, 1)
        return found


def memory() -> int:
    """Bytes that this process may use: the machine's, or the container's if that is less."""
    most = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    for name in LIMITS:
        try:
            text = Path(name).read_text(encoding="ascii").strip()
        except OSError:
            continue  # another kind of container, or none
        if text.isdigit():
            most = min(most, int(text))
    return most
