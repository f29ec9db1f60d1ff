"""masklet beside the public packages with the same random weights, in turns: speed, memory, masks of everything.

    python benchmarks/peers.py .peers/bin/python [speed | transformers | everything | memory]...

Each is `masklet bench peers` in one or two number types, minutes long on two cores; without a name all are run.
`memory` opens 500 frames of 1920x1080 and tracks 60 of them; for the whole of it leave --tracked out of the command
that is printed. `scripts/peers` builds the other environment; where torchvision there has no operators,
MASKLET_ASSETS/peers holds a stand-in.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

RUNS = {
    "speed": ["--dtype float32", "--dtype bfloat16"],
    "transformers": ["--beside transformers --dtype float32", "--beside transformers --dtype bfloat16"],
    "everything": [
        "--task everything --height 1024 --width 1024 --dtype float32",
        "--task everything --height 1024 --width 1024 --dtype bfloat16",
    ],
    "memory": ["--dtype bfloat16 --height 1080 --width 1920 --frames 500 --tracked 60"],
}


def main() -> int:
    if len(sys.argv) < 2:
        print(
            "peers: skipped, give the Python of the environment that has the public packages (scripts/peers builds it)"
        )
        return 0
    assets = Path(os.environ.get("MASKLET_ASSETS", Path(__file__).parents[2] / "shared"))
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(assets / "peers"), os.environ.get("PYTHONPATH", "")]),
    }
    worst = 0
    for name in sys.argv[2:] or RUNS:
        for run in RUNS[name]:
            options = ["bench", "peers", "--model", "sam2.1-tiny", "--peer-python", sys.argv[1], *shlex.split(run)]
            print(f"\nmasklet {shlex.join(options)}", flush=True)
            program = [sys.executable, "-c", "from masklet.cli import main; main()", *options]
            worst = max(worst, subprocess.run(program, env=environment, check=False).returncode)
    return worst


if __name__ == "__main__":
    sys.exit(main())
