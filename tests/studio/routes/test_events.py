"""The WebSocket of a project: events of every kind, hovers, and messages that mean nothing."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection


def receive(socket: ClientConnection, kind: str, **wanted: Any) -> Any:
    """The next event of a kind; others are passed over."""
    while True:
        event = json.loads(socket.recv(timeout=60))
        if event["type"] == kind and all(event.get(key) == value for key, value in wanted.items()):
            return event


def test_tracking_is_told_frame_by_frame(studio: Any) -> None:
    project = studio.project()
    with studio.events(project) as socket:
        assert receive(socket, "hello") == {"type": "hello", "revision": 0, "jobs": []}
        answer = studio.click(project, 4, 15, 16)
        event = {"what": "prompts", "revision": 1, "frame": answer["frame"], "objects": [1], "stale": None}
        event["undo"] = answer["undo"]
        assert receive(socket, "changed") == {"type": "changed"} | event
        job = studio.call("POST", f"projects/{project}/track", 202, json={"end": 7})
        assert receive(socket, "job")["job"]["state"] == "waiting"
        frames = [receive(socket, "frame", job=job["id"]) for _ in range(3)]
        ended = receive(socket, "job", job=studio.finished(job))
    assert [event["frame"]["frame"] for event in frames] == [4, 5, 6]
    assert frames[1]["frame"]["objects"]["1"]["mask"]["counts"] == studio.masks(project)[5][1]
    assert ended["job"]["state"] == "done"


def test_every_page_of_a_project_hears_of_a_change(studio: Any) -> None:
    project, other = studio.project(), studio.project()
    with studio.events(project) as first, studio.events(project) as second, studio.events(other) as third:
        for socket in (first, second, third):
            receive(socket, "hello")
        studio.call("POST", f"projects/{project}/objects", 201, json={})
        assert receive(first, "changed")["what"] == receive(second, "changed")["what"] == "objects"
        studio.call("POST", f"projects/{project}/undo")
        assert receive(second, "changed")["what"] == "history"
        third.send('{"type": "ping"}')
        assert json.loads(third.recv(timeout=10)) == {"type": "pong"}


def test_the_newest_hover_is_answered(studio: Any) -> None:
    project = studio.project()
    with studio.events(project) as socket:
        receive(socket, "hello")
        for seq in range(30):
            hover = {"type": "hover", "seq": seq, "frame": 0, "object_id": 0, "clicks": [{"x": seq, "y": 10}]}
            socket.send(json.dumps(hover))
        answers: list[Any] = []
        while not answers or answers[-1]["seq"] != 29:
            answers.append(receive(socket, "preview"))
    body = {"clicks": [{"x": 29, "y": 10}]}
    expected = studio.call("POST", f"projects/{project}/frames/0/preview", json=body)
    assert answers[-1] == {"type": "preview", "seq": 29} | expected
    assert [answer["seq"] for answer in answers] == sorted(answer["seq"] for answer in answers)


@pytest.mark.parametrize(
    ("message", "words"),
    [
        ("hello", "JSON"),
        ("[]", "JSON"),
        ("{}", "of type"),
        ('{"type": "shutdown"}', "of type"),
        ('{"type": "hover"}', "hover.seq"),
        ('{"type": "hover", "seq": 1, "frame": -1, "clicks": []}', "frame"),
        ("[" * 5000, "JSON"),
        (b"\x00\x01", "JSON"),
    ],
)
def test_messages_that_mean_nothing_are_answered_in_words(studio: Any, message: str | bytes, words: str) -> None:
    with studio.events(studio.project()) as socket:
        receive(socket, "hello")
        socket.send(message)
        assert words in receive(socket, "error")["error"]["message"]
        socket.send('{"type": "ping"}')
        assert receive(socket, "pong")


@pytest.mark.parametrize(
    ("hover", "kind"),
    [
        ({"frame": 99, "clicks": [{"x": 1, "y": 1}]}, "FrameRangeError"),
        ({"frame": 0, "clicks": [{"x": 500, "y": 1}]}, "PromptError"),
        ({"frame": 0}, "PromptError"),
    ],
)
def test_a_hover_that_leads_nowhere(studio: Any, hover: dict[str, Any], kind: str) -> None:
    with studio.events(studio.project()) as socket:
        socket.send(json.dumps({"type": "hover", "seq": 5, **hover}))
        answer = receive(socket, "preview")
    assert (answer["seq"], answer["error"]["type"]) == (5, kind)


def test_large_messages_end_the_connection(studio: Any) -> None:
    with studio.events(studio.project()) as socket:
        receive(socket, "hello")
        socket.send("x" * 70_000)
        with pytest.raises(ConnectionClosed) as closed:
            socket.recv(timeout=10)
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1009


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=10,
)
HOVER = st.fixed_dictionaries(
    {"type": st.sampled_from(["hover", "ping", "frame"])},
    optional={"seq": JSON, "frame": JSON, "object_id": JSON, "clicks": JSON, "box": JSON, "extra": JSON},
)


@pytest.mark.slow
def test_fuzzed_messages_never_end_the_connection(studio: Any) -> None:
    project = studio.project()
    with studio.events(project) as socket:
        receive(socket, "hello")

        @settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck), database=None)
        @given(HOVER.map(json.dumps) | JSON.map(json.dumps) | st.text(max_size=100) | st.binary(max_size=100))
        def attack(message: str | bytes) -> None:
            if isinstance(message, str):
                message = message.encode("utf-8", "replace").decode()
            socket.send(message)
            socket.send('{"type": "ping"}')
            assert receive(socket, "pong")

        attack()
    assert studio.call("GET", "health") == {"ok": True}
