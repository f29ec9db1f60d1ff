"""The app as a whole: what it says of itself, and that nothing thrown at it makes it fall over."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import masklet
from masklet.studio.settings import Settings


def test_about(studio: Any) -> None:
    about = studio.call("GET", "about")
    assert about["version"] == masklet.__version__
    assert about["model"]["device"] == "cpu"
    assert about["token_required"] is False
    assert {"overlay.mp4", "rle.json", "davis", "coco.json"} <= {one["format"] for one in about["export_formats"]}
    assert about["palette"][0] == "#0096ff"
    assert studio.call("GET", "health") == {"ok": True}


def test_the_api_is_documented(studio: Any) -> None:
    document = studio.call("GET", "openapi.json")
    assert document["info"]["title"] == "masklet studio"
    undescribed = [
        f"{method} {path}"
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
        if not operation.get("description")
    ]
    assert undescribed == []
    assert len(document["paths"]) > 25


def test_the_page_is_served_or_left_out(studio: Any, start: Any, tmp_path: Path) -> None:
    page = studio.client.get("/")
    assert page.headers["content-type"].startswith("text/html")
    assert page.headers["cache-control"] == "no-cache"
    assert studio.client.get("/../app.py").status_code == 404
    assert studio.client.get("/%2e%2e/app.py").status_code == 404


def test_headless(tiny: Any, tmp_path: Path) -> None:
    from masklet.studio import create_app  # noqa: PLC0415

    app = create_app(tiny, Settings(folder=tmp_path), page=False)
    assert "/" not in {getattr(route, "path", "") for route in app.routes}
    app.state.services.close()


def test_without_the_extra_there_is_one_line_of_help() -> None:
    script = (
        "import sys; sys.modules['fastapi'] = None\n"
        "import importlib.util as u; real = u.find_spec\n"
        "u.find_spec = lambda name, *a: None if name == 'fastapi' else real(name, *a)\n"
        "import masklet.studio\n"
        "try: masklet.studio.create_app\n"
        "except masklet.MissingExtraError as error: print(error)\n"
    )
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == 'the studio needs fastapi: pip install "masklet[studio]"'


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::hypothesis.errors.HypothesisDeprecationWarning")  # of schemathesis
def test_nothing_in_the_api_falls_over(studio: Any) -> None:
    """Hundreds of calls made from the OpenAPI document, right and wrong ones: none ends in a 5xx."""
    project = studio.project()
    studio.click(project, 0, 15, 16)
    schema = schemathesis.openapi.from_dict(studio.call("GET", "openapi.json"))
    schema.config.generation.update(modes=[schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE])
    known = {"project_id": project, "media_id": studio.media, "frame": 0, "index": 0, "object_id": 1}
    answers: Counter[int] = Counter()
    for found in schema.get_all_operations():
        operation: Any = found.ok()  # type: ignore[union-attr]
        if not operation.path.endswith("/track") and operation.method.upper() != "DELETE":
            answers += attacked(studio.url, operation, known)
    assert sum(answers.values()) > 400
    assert answers[200] > 40
    assert max(answers) < 500


def attacked(url: str, operation: Any, known: dict[str, Any]) -> Counter[int]:
    """What an operation answers to calls made for it, every other one on a project that is there."""
    answers: Counter[int] = Counter()

    @settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    @given(case=operation.as_strategy(), there=st.booleans())
    def attack(case: Any, there: bool) -> None:
        if there:
            path = case.path_parameters or {}
            case.path_parameters = {name: known.get(name, value) for name, value in path.items()}
        case.headers = {"X-Masklet": "1"}
        answer = case.call(base_url=url)
        assert answer.status_code < 500, (case.as_curl_command(), answer.text)
        if answer.status_code >= 400:
            assert set(answer.json()) == {"error"}
        answers[answer.status_code] += 1

    attack()
    return answers
