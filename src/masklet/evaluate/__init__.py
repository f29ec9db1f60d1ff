"""Evaluation by the paper's protocols, with everything needed to reproduce the numbers.

| file | contents |
| --- | --- |
| `protocols` | the protocols as data |
| `video_protocols`, `image_protocol` | running a protocol on a video or an image |
| `scoring`, `metrics/` | scores of masks against true masks |
| `predictions` | reading masks of other programs, writing ours in the formats of benchmarks |
| `runner`, `records` | processing every item once, in any number of processes, resumable |
| `summary`, `results`, `report`, `film_strips` | numbers of a data set, result files and the HTML report |
| `comparison` | paired comparison of two results |
"""

from masklet.evaluate.comparison import Comparison, Difference, compare
from masklet.evaluate.predictions import Export, Predictions
from masklet.evaluate.protocols import (
    PROTOCOLS,
    ImageClicks,
    Interactive,
    Protocol,
    SemiSupervised,
    TimeModel,
    protocol_named,
)
from masklet.evaluate.results import Evaluation, read_results
from masklet.evaluate.runner import Subject, evaluate
from masklet.predict.spec import ModelSpec

__all__ = [
    "PROTOCOLS",
    "Comparison",
    "Difference",
    "Evaluation",
    "Export",
    "ImageClicks",
    "Interactive",
    "ModelSpec",
    "Predictions",
    "Protocol",
    "SemiSupervised",
    "Subject",
    "TimeModel",
    "compare",
    "evaluate",
    "protocol_named",
    "read_results",
]
