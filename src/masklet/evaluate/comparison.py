"""Compare two evaluations of the same data: paired differences with bootstrap confidence intervals."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float64

from masklet.errors import FormatError

RESAMPLES, SEED = 10_000, 0


@dataclass(frozen=True, kw_only=True)
class Difference:
    """Difference of b from a in one measure, over the objects that both have; in percentage points.

    Attributes:
        measure: name of the measure.
        a, b: means over the objects.
        low, high: 95 % bootstrap interval of the difference; whole sequences are resampled.
        better, worse: number of objects on which b is above or below a by more than 0.01 points.
    """

    measure: str
    a: float
    b: float
    low: float
    high: float
    better: int
    worse: int

    @property
    def difference(self) -> float:
        """Difference of the means, b - a."""
        return self.b - self.a

    @property
    def is_significant(self) -> bool:
        """Whether the interval excludes zero."""
        return self.low > 0 or self.high < 0


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Comparison of two evaluations.

    Attributes:
        differences: one for each measure that both have.
        sequences, objects: numbers compared.
        only_a, only_b: numbers of objects that only one has; they are ignored.
        setup: differences between the setups: field -> values of a and b.
    """

    differences: tuple[Difference, ...]
    sequences: int
    objects: int
    only_a: int
    only_b: int
    setup: dict[str, tuple[Any, Any]]


def compare(a: Mapping[str, Any], b: Mapping[str, Any], *, resamples: int = RESAMPLES, seed: int = SEED) -> Comparison:
    """Compare two documents of `evaluate` (see `read_results`), object by object.

    The bootstrap resamples whole sequences, since objects of one sequence are not independent. The intervals are a
    function of ``seed``.

    Raises:
        FormatError: different data sets, or no object in common.
    """
    if a["dataset"] != b["dataset"]:
        raise FormatError(f"expected results on one data set, got {a['dataset']} and {b['dataset']}")
    scores_a, scores_b = _scores(a), _scores(b)
    keys = sorted(set(scores_a) & set(scores_b))
    measures = [m for m in next(iter(scores_a.values()), {}) if keys and all(m in scores_b[key] for key in keys)]
    if not keys or not measures:
        raise FormatError("the two results have no object and measure in common")
    names = sorted({key[0] for key in keys})
    places = np.array([names.index(key[0]) for key in keys])
    draws = np.random.default_rng(seed).integers(0, len(names), (resamples, len(names)))
    differences = []
    for measure in measures:
        values = np.array([[scores_a[key][measure], scores_b[key][measure]] for key in keys], np.float64)
        differences.append(_difference(measure, values, places, draws))
    return Comparison(
        differences=tuple(differences),
        sequences=len(names),
        objects=len(keys),
        only_a=len(set(scores_a) - set(keys)),
        only_b=len(set(scores_b) - set(keys)),
        setup=_setup_differences(a["setup"], b["setup"]),
    )


def _difference(
    measure: str, values: Float64[np.ndarray, "objects 2"], places: np.ndarray, draws: np.ndarray
) -> Difference:
    change = values[:, 1] - values[:, 0]
    sums, sizes = np.bincount(places, change), np.bincount(places)  # of each sequence
    means = sums[draws].sum(axis=1) / sizes[draws].sum(axis=1)
    low, high = np.percentile(means, (2.5, 97.5)).tolist()
    before, after = values.mean(axis=0).tolist()
    return Difference(
        measure=measure,
        a=before,
        b=after,
        low=low,
        high=high,
        better=int((change > 0.01).sum()),
        worse=int((change < -0.01).sum()),
    )


def _scores(document: Mapping[str, Any]) -> dict[tuple[str, str], dict[str, float]]:
    """Return the measures by (sequence, object), or by image."""
    found: dict[tuple[str, str], dict[str, float]] = {}
    for name, numbers in document["per_sequence"].items():
        if "mIoU" in numbers:
            found[name, ""] = {f"mIoU@{k}": value for k, value in numbers["mIoU"].items()}
        elif isinstance(numbers["objects"], dict):
            for object_id, row in numbers["objects"].items():
                found[name, object_id] = {key: row[key] for key in ("JF", "J", "F")}
    return found


def _setup_differences(a: Any, b: Any, where: str = "") -> dict[str, tuple[Any, Any]]:
    if isinstance(a, dict) and isinstance(b, dict):
        found: dict[str, tuple[Any, Any]] = {}
        for key in dict.fromkeys([*a, *b]):
            found |= _setup_differences(a.get(key), b.get(key), f"{where}.{key}".lstrip("."))
        return found
    return {} if a == b else {where: (a, b)}
