"""Evaluation by the paper's protocols: how good a model is on a data set, and everything needed to repeat the number.

| file | holds |
| --- | --- |
| `protocols` | what is asked of a model, as data |
| `semi_supervised`, `interactive`, `pictures` | the protocols at work |
| `scoring`, `metrics/` | masks against truth |
| `predictions`, `export` | masks of other programs in, our masks out in the forms of benchmarks |
| `jobs`, `workers`, `records`, `runner` | every item once, in any number of processes, again after a kill |
| `summary`, `results`, `report`, `charts`, `films` | numbers, files and the page |
| `comparison` | two results, paired |
"""

from masklet.evaluate.comparison import Comparison, Difference, compare
from masklet.evaluate.export import Export
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
from masklet.evaluate.runner import Running, evaluate
from masklet.evaluate.subjects import Predictions, Subject
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
    "Running",
    "SemiSupervised",
    "Subject",
    "TimeModel",
    "compare",
    "evaluate",
    "protocol_named",
    "read_results",
]
