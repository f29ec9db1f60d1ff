"""The tree policy: which hypotheses survive, for hand-made scores."""

from __future__ import annotations

import math

import numpy as np
import pytest

from masklet.tracking.memory_policy import Tree
from masklet.tracking.policies.candidates import DecoderCandidates
from masklet.tracking.policies.hypotheses import Child, best_children


def says(*iou: float, score: float = 5.0) -> DecoderCandidates:
    count = len(iou)
    return DecoderCandidates(np.ones((count, 2, 2), bool), np.array(iou, np.float32), np.ones(count, np.float32), score)


def ways(children: list[Child]) -> list[tuple[int, int]]:
    return [(child.path, child.candidate) for child in children]


CASES = {
    "certain: the likeliest, all of one parent": (
        [(0.0, says(0.9, 0.8, 0.7)), (-5.0, says(0.9, 0.9, 0.9)), (-5.0, says(0.9, 0.9, 0.9))],
        [(0, 0), (0, 1), (0, 2)],
    ),
    "certain: equal stories stay equal": (
        [(0.0, says(0.5, 0.9, 0.7))] * 3,
        [(0, 1), (1, 1), (2, 1)],
    ),
    "certain by one path alone, and by absence": (
        [
            (0.0, says(0.9, 0.1, 0.1, score=0.5)),
            (-9.0, says(0.9, 0.9, 0.9, score=-4.0)),
            (-9.0, says(0.1, 0.1, 0.1, score=0)),
        ],
        [(0, 0), (0, 1), (0, 2)],
    ),
    "in doubt: equal stories part": (
        [(0.0, says(0.5, 0.9, 0.7, score=1.0))] * 3,
        [(0, 1), (0, 2), (0, 0)],
    ),
    "in doubt: what is said already is not kept": (
        [
            (0.0, says(0.9, 0.901, 0.4, score=1.0)),
            (-0.5, says(0.9, 0.6, 0.2, score=1.0)),
            (-3.0, says(0.9, 0.9, 0.9, score=1.0)),
        ],
        [(0, 1), (0, 2), (1, 1)],
    ),
    "in doubt: presence and absence are two things to say": (
        [
            (0.0, says(0.9, 0.9, 0.9, score=1.0)),
            (-0.1, says(0.9, 0.9, 0.9, score=-1.0)),
            (-0.2, says(0.9, 0.9, 0.9, score=1.0)),
        ],
        [(0, 0), (1, 0), (2, 0)],
    ),
    "in doubt, too few said: the best of every path not heard": (
        [
            (0.0, says(0.9, 0.9, 0.9, score=1.0)),
            (-1.0, says(0.9, 0.9, 0.9, score=1.0)),
            (-2.0, says(0.9, 0.9, 0.9, score=1.0)),
        ],
        [(0, 0), (1, 0), (2, 0)],
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_grow(name: str) -> None:
    paths, expected = CASES[name]
    assert ways(best_children(paths, Tree())) == expected


def test_scores_add_up_and_a_hopeless_candidate_does_not_break_them() -> None:
    children = best_children([(-1.0, says(0.0, 0.5))], Tree(paths=2))
    assert [child.score for child in children] == pytest.approx([-1 + math.log(0.5 + 1e-5), -1 + math.log(1e-5)])


@pytest.mark.parametrize("paths", [1, 2, 3, 5])
@pytest.mark.parametrize("score", [0.5, 5.0, -0.5])
def test_as_many_as_asked_for(paths: int, score: float) -> None:
    stories = [(-0.1 * n, says(0.9, 0.8 - 0.1 * n, 0.3, score=score)) for n in range(paths)]
    children = best_children(stories, Tree(paths=paths))
    assert len(children) == paths
    assert [c.score for c in children] == sorted((c.score for c in children), reverse=True)


def test_one_path_is_the_best_by_predicted_iou() -> None:
    assert ways(best_children([(0.0, says(0.2, 0.9, 0.3, score=0.1))], Tree(paths=1))) == [(0, 1)]


@pytest.mark.parametrize("paths", [0, 9])
def test_refused(paths: int) -> None:
    with pytest.raises(ValueError, match=str(paths)):
        Tree(paths=paths)
