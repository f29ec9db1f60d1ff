"""How a model looks for masklets, as plain values that travel to workers, and looking with a crew of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from masklet.engine.proposals import Found, LocalFinder, Proposal
from masklet.engine.records import Media
from masklet.engine.worker_pool import Crew
from masklet.predict.automatic_masklets import EverythingSettings
from masklet.predict.automatic_masks import Preset, settings_for
from masklet.predict.spec import ModelSpec


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """What a worker needs to look for masklets.

    Attributes:
        model: that looks.
        preset: how closely key frames are searched.
        settings: how masklets are found.
        both_ways: as in `LocalFinder`.
    """

    model: ModelSpec
    preset: Preset = "default"
    settings: EverythingSettings = field(default_factory=EverythingSettings)
    both_ways: bool = True

    def finder(self) -> LocalFinder:
        """What looks for masklets in this process."""
        net = self.model.load()
        return LocalFinder(net, self.settings, settings_for(net, self.preset), self.both_ways)

    def begin(self) -> Callable[[Media], list[Proposal] | str]:
        """What a worker does with a media (`masklet.engine.worker_pool.Trade`)."""
        return self.finder().look


@dataclass(frozen=True, kw_only=True)
class CrewFinder:
    """Looks with several workers.

    Attributes:
        recipe: what they look with.
        model: its name.
        crew: the workers.
    """

    recipe: Recipe
    model: str
    crew: Crew

    def find(self, media: Sequence[Media]) -> Iterator[Found]:
        """Each media once, as they are done."""
        yield from self.crew.each(self.recipe, media)
