"""Tracking one object with the same random weights: masklet beside the public `sam2` predictor, in turns, in one run.

    python benchmarks/peers.py .peers/bin/python

This is `masklet bench peers` in float32 and in bfloat16, and once more with frames of 1920x1080 for the memory of 500
frames. `scripts/peers` builds the other environment; where torchvision there has no operators, MASKLET_ASSETS/peers
holds a stand-in.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

RUNS = (
    ["--dtype", "float32"],
    ["--dtype", "bfloat16"],
    ["--dtype", "bfloat16", "--height", "1080", "--width", "1920", "--frames", "24"],
)


def main() -> int:
    if len(sys.argv) < 2:
        print("peers: skipped, give the Python of the environment that has sam2 (scripts/peers builds it)")
        return 0
    assets = Path(os.environ.get("MASKLET_ASSETS", Path(__file__).parents[2] / "shared"))
    environment = {**os.environ, "PYTHONPATH": str(assets / "peers")}
    program = [sys.executable, "-c", "from masklet.cli import main; main()"]
    command = [*program, "bench", "peers", "--model", "sam2.1-tiny", "--peer-python"]
    return max(subprocess.run([*command, sys.argv[1], *run], env=environment, check=False).returncode for run in RUNS)


if __name__ == "__main__":
    sys.exit(main())
