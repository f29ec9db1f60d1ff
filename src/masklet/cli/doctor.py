"""`masklet doctor`: versions, devices, extras, and what to do about what is off."""

from __future__ import annotations

import os
import platform
import re
from importlib import metadata
from typing import Any

import typer

from masklet.cli.app import TOOL_PANEL, app
from masklet.cli.errors import exit_codes
from masklet.cli.options import AsJson
from masklet.cli.report import document, print_json

PACKAGES = ("torch", "numpy", "scipy", "pillow", "av", "safetensors", "pycocotools", "huggingface_hub", "typer", "rich")

EXTRAS = {
    "demo": "the clip of `masklet demo`",
    "dev": "what the tests and checks of a checkout need",
}
"""What each extra adds."""


@app.command(epilog="masklet doctor --json prints the same for programs.", rich_help_panel=TOOL_PANEL)
def doctor(as_json: AsJson = False) -> None:
    """Print versions, devices, weights and extras. Looks at this machine, never at the network."""
    with exit_codes(as_json=as_json):
        found = {
            "versions": _versions(),
            "devices": _devices(),
            "media": _media(),
            "weights": _weights(),
            "extras": _extras(),
        }
        advice = advise(found)
        if as_json:
            print_json(document("doctor", **found, advice=advice))
        else:
            typer.echo("\n".join(_lines(found, advice)))


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
    import torch  # noqa: PLC0415  slow to import

    from masklet.predict.load import pick_device  # noqa: PLC0415

    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    return {
        "default": str(pick_device("auto")),
        "cpu": {"cores": os.cpu_count(), "threads": torch.get_num_threads()},
        "cuda": [torch.cuda.get_device_name(index) for index in range(count)],
        "cuda_build": torch.version.cuda,
        "mps": torch.backends.mps.is_available(),
    }


def _media() -> dict[str, Any]:
    import av  # noqa: PLC0415  slow to import
    from av.codec import codecs_available  # noqa: PLC0415

    libraries = {name: ".".join(map(str, version)) for name, version in av.library_versions.items()}
    return {
        "ffmpeg": getattr(av, "ffmpeg_version_info", "unknown"),
        "libraries": libraries,
        "encoders": {name: name in codecs_available for name in ("libx264", "libvpx-vp9")},
    }


def _weights() -> dict[str, Any]:
    from huggingface_hub import constants  # noqa: PLC0415  slow to import

    from masklet.model.catalog import catalog  # noqa: PLC0415

    embedded, *released = catalog()
    return {
        "embedded": {"name": embedded.name, "present": bool(embedded.local and embedded.local.is_file())},
        "hub_cache": constants.HF_HUB_CACHE,
        "hub_offline": constants.HF_HUB_OFFLINE,
        "cached": [entry.name for entry in released if entry.local],
    }


def _extras() -> dict[str, dict[str, Any]]:
    """Every extra of the installed package: what it is for, what it installs, and what of that is missing."""
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
    """What a person should know or do about what was found."""
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
    return [*lines, "", *(f"advice: {line}" for line in advice)] if advice else [*lines, "", "all is well"]
