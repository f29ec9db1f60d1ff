"""`masklet engine`: from videos to a verified masklet data set, with people and a model taking turns."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from masklet.cli import options
from masklet.cli.app import TOOL_PANEL, app
from masklet.cli.errors import EXIT_CODE_HELP, exit_codes
from masklet.cli.options import ModelOptions

EXAMPLES = f"""Examples:

masklet engine init dogs

masklet engine add dogs clips/ --license CC-BY-4.0 --objects 5

masklet engine propose dogs --max-objects 10

masklet engine serve dogs

masklet engine status dogs

masklet engine export dogs dogs-1.0

The whole loop, step by step: docs/guides/engine.md.

{EXIT_CODE_HELP}"""

engine = typer.Typer(
    help="Make a data set: media in, tasks for people, proposals of a model, verified masklets out.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    epilog=EXAMPLES,
)
app.add_typer(engine, name="engine", rich_help_panel=TOOL_PANEL)


@contextmanager
def working(*, as_json: bool = False) -> Iterator[None]:
    """`exit_codes`, where the libraries of the data engine are here."""
    with exit_codes(as_json=as_json):
        from masklet.engine._deps import require_engine  # noqa: PLC0415

        require_engine()
        yield


LARGEST = 2**31 - 1
"""What every database takes for a whole number."""

Place = Annotated[str, typer.Argument(metavar="PROJECT", help="The project's folder, or postgresql://USER@HOST/NAME.")]
Workers = Annotated[
    int,
    typer.Option(min=0, help="Processes at work.", show_default="this one; with --ray one for each GPU, or 2"),
]
RayAddress = Annotated[
    str | None,
    typer.Option(
        "--ray", metavar="ADDRESS", help="On a Ray cluster: auto for the running one, local for a new one here."
    ),
]


@engine.command(epilog=EXIT_CODE_HELP)
def init(place: Place, as_json: options.AsJson = False) -> None:
    """Make an empty project: in a folder (SQLite), or in a database that is there (PostgreSQL)."""
    with working(as_json=as_json):
        from masklet.cli.workshop import Workshop  # noqa: PLC0415  slow to import

        Workshop(place, as_json=as_json).init()


@engine.command(epilog=EXIT_CODE_HELP)
def add(
    place: Place,
    media: Annotated[
        list[str],
        typer.Argument(
            metavar="MEDIA...", help="Videos, or folders of them or of pictures; s3://, gs://, http:// too."
        ),
    ],
    *,
    license_: Annotated[str, typer.Option("--license", metavar="NAME", help="Under which they may be passed on.")] = "",
    split: Annotated[
        str | None,
        typer.Option(help="train, val or test, for all of them.", show_default="by content, by the shares below"),
    ] = None,
    val_share: Annotated[float, typer.Option(min=0, max=1, help="This share of all media goes to val.")] = 0.1,
    test_share: Annotated[float, typer.Option(min=0, max=1, help="And this one to test; the rest to train.")] = 0.0,
    objects: Annotated[
        int, typer.Option(min=0, help="Open so many tasks to pick and annotate an object, for each video.")
    ] = 0,
    priority: Annotated[
        int, typer.Option(min=-LARGEST, max=LARGEST, help="Of these tasks; higher ones are given out first.")
    ] = 0,
    into: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="What comes from the network is kept here.", show_default="PROJECT/media"),
    ] = None,
    as_json: options.AsJson = False,
    quiet: options.Quiet = False,
) -> None:
    """Add media; files stay where they are, and all are known by their content.

    What is there already is not added twice. What is broken or only half copied is named, and the others are added.
    """
    with working(as_json=as_json):
        from masklet.cli.workshop import Workshop, terms  # noqa: PLC0415

        given = terms(license_, split, (val_share, test_share), objects, priority)
        code = Workshop(place, as_json=as_json, quiet=quiet).add(media, given, into)
    raise typer.Exit(code)


@engine.command(epilog=EXIT_CODE_HELP)
def propose(
    place: Place,
    *,
    preset: Annotated[str, typer.Option(help="How closely to look: fast, default, dense or small.")] = "default",
    max_objects: Annotated[int, typer.Option(min=1, help="In each video, the best so many.")] = 64,
    every: Annotated[int, typer.Option(min=1, help="Look for new things every so many frames.")] = 30,
    limit: Annotated[int | None, typer.Option(min=1, metavar="N", help="Only the next N media.")] = None,
    priority: Annotated[int, typer.Option(min=-LARGEST, max=LARGEST, help="Of the tasks.")] = 0,
    both_ways: Annotated[
        bool,
        typer.Option(
            "--both-ways/--one-way",
            help="Track each masklet back from its end, too: frames where the two disagree are shown to people first.",
        ),
    ] = True,
    workers: Workers = 0,
    ray: RayAddress = None,
    model: options.ModelName = "nano",
    weights: options.Weights = None,
    device: options.Device = "auto",
    dtype: options.Dtype = "float32",
    size: options.InputSize = None,
    as_json: options.AsJson = False,
    quiet: options.Quiet = False,
) -> None:
    """Let a model find masklets; each becomes a task that starts with verification.

    Stopped at any moment and started again, it goes on with the media that are missing. What cannot be read is named
    and tried again the next time.
    """
    with working(as_json=as_json):
        from masklet.cli.finding import preset_named  # noqa: PLC0415  torch is slow to import
        from masklet.cli.workshop import Workshop, masklet_search, worker_pool  # noqa: PLC0415
        from masklet.predict.automatic_masklets import EverythingSettings  # noqa: PLC0415

        pool = worker_pool(workers, ray)
        search = masklet_search(
            ModelOptions(name=model, weights=weights, device=device, dtype=dtype, image_size=size),
            preset_named(preset),
            EverythingSettings(every=every, max_objects=max_objects),
            both_ways=both_ways,
            pool=pool,
        )
        code = Workshop(place, as_json=as_json, quiet=quiet).propose(search, pool, limit=limit, priority=priority)
    raise typer.Exit(code)


@engine.command(epilog=EXIT_CODE_HELP)
def gold(
    place: Place,
    task: Annotated[
        list[int], typer.Argument(metavar="TASK...", max=LARGEST, help="Tasks whose masklet was accepted.")
    ],
    as_json: options.AsJson = False,
) -> None:
    """Take accepted masklets as known answers: mixed in among the tasks, they show how well people agree with them."""
    with working(as_json=as_json):
        from masklet.cli.workshop import Workshop  # noqa: PLC0415

        Workshop(place, as_json=as_json).gold(task)


@engine.command(epilog=EXIT_CODE_HELP)
def status(
    place: Place,
    *,
    task: Annotated[
        int | None, typer.Option(metavar="N", max=LARGEST, help="Tell the history of one task instead.")
    ] = None,
    as_json: options.AsJson = False,
) -> None:
    """Tell how far the project is: tasks, masklets by phase, people."""
    with working(as_json=as_json):
        from masklet.cli.workshop import Workshop  # noqa: PLC0415

        workshop = Workshop(place, as_json=as_json)
        if task is None:
            workshop.status()
        else:
            workshop.history(task)


@engine.command(epilog=EXIT_CODE_HELP)
def review(
    place: Place,
    *,
    name: Annotated[str, typer.Option("--as", metavar="NAME", help="Who you are.")],
    task: Annotated[
        int | None, typer.Option(metavar="N", max=LARGEST, help="This task.", show_default="the next one")
    ] = None,
    verdict: Annotated[
        str | None,
        typer.Option(help="satisfactory, unsatisfactory or reject; without it you are asked.", show_default=False),
    ] = None,
    note: Annotated[str, typer.Option(help="Why.")] = "",
    frame: Annotated[list[int], typer.Option("--frame", metavar="I", help="A frame that is wrong.")] = [],  # noqa: B006
    output: Annotated[Path, typer.Option("-o", "--output", metavar="DIR", help="Where the pictures go.")] = Path(),
    as_json: options.AsJson = False,
) -> None:
    """Judge masklets from a terminal: each is drawn into a picture of twelve frames, then you say how it is.

    Nobody is given a masklet that they worked on. In the browser: masklet engine serve.
    """
    with working(as_json=as_json):
        from masklet.cli.reviewing import Review, Said  # noqa: PLC0415
        from masklet.cli.workshop import Workshop  # noqa: PLC0415

        said = None if verdict is None else Said.parse(verdict, note, frame)
        Review(Workshop(place, as_json=as_json), name, output).run(task, said)


@engine.command(epilog=EXIT_CODE_HELP)
def serve(
    place: Place,
    *,
    person: Annotated[
        list[str],
        typer.Option("--person", metavar="NAME[:annotate|:review]", help="Who works here, and on what; repeat it."),
    ] = [],  # noqa: B006  typer copies it
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0 for any free one.")] = 8765,
    allow_host: Annotated[
        list[str], typer.Option("--allow-host", metavar="NAME", help="A name under which the studio may be called.")
    ] = [],  # noqa: B006
    folder: Annotated[
        Path | None,
        typer.Option("--studio", metavar="DIR", help="Where open work is kept.", show_default="PROJECT/studio"),
    ] = None,
    lease: Annotated[float, typer.Option(min=1, metavar="MINUTES", help="A closed tab gives its task back.")] = 10,
    gold_every: Annotated[int, typer.Option(min=0, help="Every so many annotations one whose answer is known.")] = 20,
    model: options.ModelName = "nano",
    weights: options.Weights = None,
    device: options.Device = "auto",
    dtype: options.Dtype = "float32",
    size: options.InputSize = None,
) -> None:
    """Open the studio as the workplace of a team: a queue of tasks, annotation, review.

    Each person gets an address of their own, which stays the same from one start to the next. Ctrl-C ends it.
    """
    with working():
        from masklet.cli.serving import Workshift  # noqa: PLC0415
        from masklet.studio._deps import require_studio  # noqa: PLC0415

        require_studio()
        Workshift(
            place=place,
            people=person,
            folder=folder,
            lease_minutes=lease,
            gold_every=gold_every,
            model=ModelOptions(name=model, weights=weights, device=device, dtype=dtype, image_size=size),
        ).run(host, port, allow_host)


@engine.command(epilog=EXIT_CODE_HELP)
def export(
    place: Place,
    output: Annotated[Path, typer.Argument(metavar="DIR", help="The data set's folder.")],
    *,
    form: Annotated[str, typer.Option(help="sav, davis, coco or yolo.")] = "sav",
    title: Annotated[str, typer.Option(help="Of the data set's card.", show_default="the folder's name")] = "",
    workers: Workers = 0,
    ray: RayAddress = None,
    as_json: options.AsJson = False,
    quiet: options.Quiet = False,
) -> None:
    """Write the verified masklets as a data set, with its card.

    Again into the same folder, only what has changed is written. A video that cannot be read any more is named.
    """
    with working(as_json=as_json):
        from masklet.cli.delivery import Delivery, form_named  # noqa: PLC0415
        from masklet.cli.workshop import Workshop, worker_pool  # noqa: PLC0415

        delivery = Delivery(Workshop(place, as_json=as_json, quiet=quiet), worker_pool(workers, ray))
        code = delivery.export(output, form_named(form), title)
    raise typer.Exit(code)


@engine.command(epilog=EXIT_CODE_HELP)
def retrain(
    place: Place,
    output: Annotated[Path, typer.Argument(metavar="DIR", help="Data, run, weights and results go here.")],
    *,
    recipe: Annotated[str, typer.Option(help="As in masklet train.")] = "finetune_vos",
    settings: Annotated[
        list[str], typer.Option("--set", metavar="SECTION.FIELD=VALUE", help="Change a setting of the recipe.")
    ] = [],  # noqa: B006
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the newest checkpoint.")] = False,
    model: options.ModelName = "nano",
    weights: options.Weights = None,
    device: options.Device = "auto",
    dtype: options.Dtype = "float32",
    size: options.InputSize = None,
    as_json: options.AsJson = False,
) -> None:
    """Fine-tune a model on the verified masklets of train; measure it before and after on those of val.

    DIR/run/weights.safetensors is the next --model of propose and serve.
    """
    with working(as_json=as_json):
        from masklet.cli import retraining  # noqa: PLC0415
        from masklet.cli.workshop import Workshop  # noqa: PLC0415

        retraining.retrain(
            Workshop(place, as_json=as_json),
            output,
            ModelOptions(name=model, weights=weights, device=device, dtype=dtype, image_size=size),
            recipe=recipe,
            settings=settings,
            resume=resume,
        )
