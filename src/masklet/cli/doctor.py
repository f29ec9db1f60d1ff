"""`masklet doctor`: report versions, devices, weights and extras, and advise on problems."""

from __future__ import annotations

import os
import platform
import re
from importlib import metadata
from typing import Annotated, Any

from masklet.cli.app import TOOL_PANEL, command
from masklet.cli.options import ReportOptions, Without

PACKAGES = ("torch", "numpy", "scipy", "pillow", "av", "safetensors", "pycocotools", "huggingface_hub", "typer", "rich")

EXTRAS = {
    "demo": "the clip of `masklet demo`",
    "dev": "tests and checks of a checkout",
}
"""What an extra adds, where its packages do not say it."""


@command(examples="masklet doctor --json", panel=TOOL_PANEL)
def doctor(*, report: Annotated[ReportOptions, Without("quiet")]) -> None:
    """Print versions, devices, weights and extras of this installation, and advice on problems (offline)."""
    found = {
        "versions": _versions(),
        "devices": _devices(),
        "media": _media(),
        "weights": _weights(),
        "extras": _extras(),
    }
    advice = advise(found)
    report.show("doctor", _lines(found, advice), **found, advice=advice)


def _versions() -> dict[str, str]:
    return {
        "masklet": metadata.version("masklet"),
        "python": platform.python_version(),
        "platform": platform.platform(),
        **{name: _version(name) or "missing" for name in PACKAGES},
    }


def _version(distribution: str) -> str | None:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


def _devices() -> dict[str, Any]:
    import torch

    from masklet.predict.load import pick_device

    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    return {
        "default": str(pick_device("auto")),
        "cpu": {"cores": os.cpu_count(), "threads": torch.get_num_threads()},
        "cuda": [torch.cuda.get_device_name(index) for index in range(count)],
        "cuda_build": torch.version.cuda,
        "mps": torch.backends.mps.is_available(),
    }


def _media() -> dict[str, Any]:
    import av
    from av.codec import codecs_available

    libraries = {name: ".".join(map(str, version)) for name, version in av.library_versions.items()}
    return {
        "ffmpeg": getattr(av, "ffmpeg_version_info", "unknown"),
        "libraries": libraries,
        "encoders": {name: name in codecs_available for name in ("libx264", "libvpx-vp9")},
    }


def _weights() -> dict[str, Any]:
    from huggingface_hub import constants

    from masklet.model.catalog import catalog

    embedded, *released = catalog()
    return {
        "embedded": {"name": embedded.name, "present": bool(embedded.local and embedded.local.is_file())},
        "hub_cache": constants.HF_HUB_CACHE,
        "hub_offline": constants.HF_HUB_OFFLINE,
        "cached": [entry.name for entry in released if entry.local],
    }


def _extras() -> dict[str, dict[str, Any]]:
    """The extras of the installed package: what each adds, its packages, and which of them are missing."""
    extras: dict[str, dict[str, Any]] = {}
    for line in metadata.requires("masklet") or []:
        found = re.fullmatch(r"([\w.-]+).*;.*\bextra\s*==\s*['\"]([\w-]+)['\"].*", line)
        if found:
            package, name = found.groups()
            entry = extras.setdefault(name, {"adds": EXTRAS.get(name, ""), "packages": [], "missing": []})
            entry["packages"].append(package)
            if _version(package) is None:
                entry["missing"].append(package)
    return extras


def advise(found: dict[str, Any]) -> list[str]:
    """Advice on problems in the findings; empty if there are none."""
    devices, weights, media = found["devices"], found["weights"], found["media"]
    advice = []
    if missing := [name for name in PACKAGES if found["versions"][name] == "missing"]:
        advice.append(f"packages are missing ({', '.join(missing)}): pip install --force-reinstall masklet")
    if not weights["embedded"]["present"]:
        advice.append("the weights of nano are missing from the package: pip install --force-reinstall masklet")
    if devices["cuda_build"] and not devices["cuda"]:
        advice.append("torch is built for CUDA but sees no GPU: check the driver (nvidia-smi), or stay on the CPU")
    if devices["cpu"]["threads"] == 1 and (devices["cpu"]["cores"] or 1) > 1 and devices["default"] == "cpu":
        advice.append("torch uses one thread on several cores: unset OMP_NUM_THREADS for more speed")
    if absent := [name for name, present in media["encoders"].items() if not present]:
        advice.append(f"av lacks the encoders {', '.join(absent)}: pip install --force-reinstall --only-binary av av")
    return advice


def _lines(found: dict[str, Any], advice: list[str]) -> list[str]:
    devices, weights, media = found["devices"], found["weights"], found["media"]
    cached = ", ".join(weights["cached"]) or "none"
    lines = [f"{name:16} {version}" for name, version in found["versions"].items()]
    lines += [
        "",
        f"{'device':16} {devices['default']} (the default)",
        f"{'cpu':16} {devices['cpu']['threads']} threads on {devices['cpu']['cores']} cores",
        f"{'cuda':16} {', '.join(devices['cuda']) or 'none'} (torch built for {devices['cuda_build'] or 'no CUDA'})",
        f"{'mps':16} {'yes' if devices['mps'] else 'none'}",
        "",
        f"{'ffmpeg':16} {media['ffmpeg']}, " + ", ".join(f"{k} {v}" for k, v in media["libraries"].items()),
        f"{'encoders':16} " + ", ".join(f"{k} {'yes' if v else 'missing'}" for k, v in media["encoders"].items()),
        "",
        f"{weights['embedded']['name']:16} {'in the package' if weights['embedded']['present'] else 'missing'}",
        f"{'hub cache':16} {weights['hub_cache']} (models here: {cached})",
        "",
    ]
    for name, extra in found["extras"].items():
        state = f"missing {', '.join(extra['missing'])}" if extra["missing"] else "installed"
        adds = f": {extra['adds']}" if extra["adds"] else ""
        lines.append(f"{f'masklet[{name}]':16} {state}{adds}")
    return [*lines, "", *(f"advice: {line}" for line in advice)] if advice else [*lines, "", "no problems found"]
