"""The run-length encoding of the page, in Node.js, against the reference implementation."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from masklet.types import Rle

pytestmark = pytest.mark.slow

SCRIPT = """
import {{ areaOf, countsOf, encodeMask, isInside, paintRuns, runsOf }} from "{module}";
let text = "";
for await (const part of process.stdin) text += part;
const answers = JSON.parse(text).map(({{ size, counts, step, x, y }}) => {{
  const [height, width] = size;
  const runs = runsOf(counts);
  const across = Math.ceil(width / step);
  const map = {{ width: across, data: new Uint8Array(across * Math.ceil(height / step)) }};
  paintRuns(runs, height, map, step, 1);
  const whole = {{ width, data: new Uint8Array(width * height) }};
  paintRuns(runs, height, whole, 1, 1);
  return {{ painted: [...map.data], again: countsOf(runs), encoded: encodeMask(whole.data, width, height),
    area: areaOf({{ size, counts }}), inside: isInside({{ size, counts }}, x, y) }};
}});
console.log(JSON.stringify(answers));
"""


def masks() -> list[np.ndarray]:
    generator = np.random.default_rng(5)
    y, x = np.mgrid[:200, :131]
    circle = (x - 60) ** 2 + (y - 90) ** 2 < 2500
    odd = [generator.random((int(h), int(w))) < 0.4 for h, w in generator.integers(1, 40, (30, 2))]
    tall = np.zeros((3000, 3), bool)
    tall[1, 0] = tall[2999, 2] = True
    return [circle, np.zeros((7, 5), bool), np.ones((7, 5), bool), tall, *odd]


def test_encoding_equals_coco(repository: Path) -> None:
    node = shutil.which("node")
    if node is None:
        pytest.skip("Node.js is not installed")
    module = repository / "src" / "masklet" / "studio" / "page" / "js" / "rle.js"
    cases = [(mask, step) for mask in masks() for step in (1, 3)]
    requests = []
    for mask, step in cases:
        rle = Rle.from_mask(mask)
        height, width = rle.size
        place = {"x": width // 2, "y": height // 2}
        requests.append({"size": rle.size, "counts": rle.counts.decode(), "step": step, **place})
    script = SCRIPT.format(module=module.as_uri())
    command = [node, "--input-type=module", "--eval", script]
    run = subprocess.run(command, input=json.dumps(requests), capture_output=True, text=True, check=True, timeout=60)
    for (mask, step), request, answer in zip(cases, requests, json.loads(run.stdout), strict=True):
        assert answer["again"] == request["counts"]
        assert answer["encoded"] == request["counts"]
        assert answer["painted"] == mask[::step, ::step].ravel().astype(int).tolist()
        assert answer["area"] == mask.sum()
        assert answer["inside"] == mask[mask.shape[0] // 2, mask.shape[1] // 2]
