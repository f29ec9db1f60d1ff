"""The tracking engine: hypotheses and memories of all objects, one frame at a time (paper section 4).

A frame takes two calls. `ObjectTracker.predict` selects memories, applies memory attention, decodes every object, and
answers prompts; nothing that later frames read has changed then. `ObjectTracker.commit` encodes the memories of the
frame. Streams call both for each frame; sessions store the results between the two.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from jaxtyping import Float
from torch import Tensor

from masklet.backends.protocol import Model
from masklet.model.sam2 import MEMORY_BIAS
from masklet.model.tensors import ChosenMask, ImageFeatures, to_host
from masklet.predict.click_refinement import PromptStart
from masklet.predict.confidence import reads_appearance
from masklet.predict.prompting import absent_mask, answer_prompts
from masklet.tracking.appearance import appearance_embeddings
from masklet.tracking.memory import MemoryBank
from masklet.tracking.memory_policy import MemoryPolicy
from masklet.tracking.memory_selection import FrameContext, MemorySelection
from masklet.tracking.policies import (
    Candidate,
    Hypothesis,
    HypothesisSet,
    MaskScores,
    ShotCutDetector,
    commit,
    expand,
    prune,
    select,
    update_prompted,
)
from masklet.tracking.step import condition_on_memory, encode_memories
from masklet.types import ObjectId, Prompts, Size

MapsToRestore = Iterable[tuple[ObjectId, MemoryBank, MemorySelection]]


@dataclass(eq=False)
class TrackedObject:
    """What is remembered of one object.

    Attributes:
        hypotheses: with their memory banks.
        absence: by prompted frame, whether its prompt marks the object as absent.
    """

    hypotheses: HypothesisSet = field(default_factory=HypothesisSet)
    absence: dict[int, bool] = field(default_factory=dict)

    @property
    def bank(self) -> MemoryBank:
        """The memories of the most likely hypothesis."""
        return self.hypotheses.best.bank

    def is_absent(self, context: FrameContext) -> bool:
        """Whether the last prompt before a frame, in the order of the pass, marks the object as absent."""
        past = [i for i in self.absence if context.age(i) > 0]
        return bool(past) and self.absence[min(past, key=context.age)]


@dataclass(frozen=True, eq=False)
class FramePrediction:
    """The objects of one frame, before their memories are encoded.

    Attributes:
        candidates: of each object without prompts, the most likely first.
        answers: the masks of prompted objects.
        prompts: that were answered.
        corrected: prompted objects whose answer corrects a tracked mask.
        hidden: objects that stay absent because a person marked them so on an earlier frame.
    """

    candidates: dict[ObjectId, list[Candidate]] = field(default_factory=dict)
    answers: dict[ObjectId, ChosenMask] = field(default_factory=dict)
    prompts: Mapping[ObjectId, Prompts] = field(default_factory=dict)
    corrected: Collection[ObjectId] = ()
    hidden: Mapping[ObjectId, ChosenMask] = field(default_factory=dict)

    @property
    def masks(self) -> dict[ObjectId, ChosenMask]:
        """The most likely mask of each object."""
        return {**{i: each[0].chosen for i, each in self.candidates.items()}, **self.answers, **self.hidden}


class ObjectTracker:
    """Tracks any number of objects through frames in either direction.

    Args:
        model: from `masklet.load`.
        policy: which memories are read and kept.
        restore_maps: encodes spatial maps again that were dropped and are about to be read; None where none are.

    Attributes:
        objects: by id, in the order of their first prompts.
        shot_cuts: where the video was cut, or None where the policy does not ask.
    """

    def __init__(
        self, model: Model, policy: MemoryPolicy, *, restore_maps: Callable[[MapsToRestore], None] | None = None
    ) -> None:
        self.model = model
        self.policy = policy
        self.objects: dict[ObjectId, TrackedObject] = {}
        self.shot_cuts = ShotCutDetector(policy.shot_cuts) if policy.shot_cuts else None
        self._restore_maps = restore_maps
        self._with_appearance = policy.appearance is not None or reads_appearance(model.config.name)

    def context(self, frame_index: int, *, reverse: bool = False) -> FrameContext:
        """The context of a frame of a pass."""
        if self.shot_cuts is None:
            return FrameContext(frame_index, reverse)
        return self.shot_cuts.context(frame_index, reverse=reverse)

    def can_track(self, object_id: ObjectId, context: FrameContext) -> bool:
        """Whether there is a memory of an object that a frame may read."""
        state = self.objects.get(object_id)
        return state is not None and select(state.hypotheses.best, context, self.policy) is not None

    def predict(
        self,
        encode: Callable[[], ImageFeatures],
        context: FrameContext,
        *,
        objects: Collection[ObjectId],
        prompts: Mapping[ObjectId, Prompts],
        size: Size,
    ) -> FramePrediction:
        """Track objects onto a frame and answer its prompts; clicks and boxes correct what tracking finds.

        Args:
            encode: returns the unconditioned features of the frame; called only if something is tracked or answered.
            context: of the frame.
            objects: to be tracked; those without a memory that the frame may read are left out.
            prompts: by object, already checked.
            size: (height, width) of the frame.
        """
        hidden: dict[ObjectId, ChosenMask] = {}
        tracked: dict[ObjectId, MemorySelection] = {}
        for i in objects:
            state, prompt = self.objects[i], prompts.get(i)
            selection = select(state.hypotheses.best, context, self.policy)
            if prompt is None and state.is_absent(context) and not (selection and self.policy.appearance):
                hidden[i] = absent_mask(self.model)
                state.hypotheses.keep_best()
            elif selection is None and prompt is None:
                continue
            elif selection is not None and (prompt is None or prompt.mask is None):
                tracked[i] = selection
            state.hypotheses.advance_to(context)
        starts: dict[ObjectId, PromptStart] = {}
        candidates: dict[ObjectId, list[Candidate]] = {}
        if tracked or prompts:
            features = encode()
        if tracked:
            candidates, embeddings = self._track(features, context, tracked)
            for i in tracked:
                if i in prompts:
                    previous = candidates[i][0].chosen.logits
                    is_absent = self.objects[i].is_absent(context)
                    is_hidden = is_absent and not (self.policy.appearance and (previous > 0).any())
                    starts[i] = PromptStart(embeddings[i], None if is_hidden else previous, tracked=True)
        if not prompts:
            return FramePrediction(candidates, hidden=hidden)
        answers, corrected = answer_prompts(self.model, features, prompts, starts, size)
        candidates = {i: each for i, each in candidates.items() if i not in answers}
        return FramePrediction(candidates, answers, prompts, corrected, hidden)

    def _track(
        self, features: ImageFeatures, context: FrameContext, tracked: Mapping[ObjectId, MemorySelection]
    ) -> tuple[dict[ObjectId, list[Candidate]], dict[ObjectId, Float[Tensor, "1 c h w"]]]:
        """Candidates of each object, and the frame conditioned on its most likely hypothesis."""
        sets = [self.objects[i].hypotheses for i in tracked]
        rows: list[tuple[ObjectId, Hypothesis, MemorySelection | None]] = []
        best_row: dict[ObjectId, int] = {}
        for (i, selection), hypotheses in zip(tracked.items(), sets, strict=True):
            best_row[i] = len(rows)  # the most likely hypothesis is the first of the distinct ones
            rows.append((i, hypotheses.best, selection))
            rows += [(i, other, select(other, context, self.policy)) for other in hypotheses.distinct[1:]]
        conditioned = self.condition(features, rows)
        expanded = expand(
            self.model, features, conditioned, sets, context, self.policy, with_appearance=self._with_appearance
        )
        embeddings = {i: conditioned.embedding[[row]] for i, row in best_row.items()}
        return dict(zip(tracked, expanded, strict=True)), embeddings

    def condition(
        self, features: ImageFeatures, rows: Sequence[tuple[ObjectId, Hypothesis, MemorySelection | None]]
    ) -> ImageFeatures:
        """Condition a frame on the memories of hypotheses; maps that were dropped are encoded again first.

        Args:
            features: of the frame, unconditioned.
            rows: for each row of the result an object, its hypothesis, and what to read of it (None: nothing).
        """
        if self._restore_maps is not None:
            self._restore_maps((i, hypothesis.bank, selection) for i, hypothesis, selection in rows if selection)
        memories = [(hypothesis.bank, selection) for _, hypothesis, selection in rows]
        return condition_on_memory(self.model, features, memories, self.policy)

    def commit(
        self,
        encode: Callable[[], ImageFeatures],
        context: FrameContext,
        prediction: FramePrediction,
        *,
        fetch: Sequence[Tensor] = (),
    ) -> tuple[dict[ObjectId, MaskScores], list[Tensor]]:
        """Encode the memories of a frame and extend the hypotheses.

        Args:
            encode: as for `predict`.
            context: of the frame.
            prediction: from `predict` for this frame.
            fetch: further tensors to copy from the device to the host, in one transfer with the scores.

        Returns:
            The scores of the mask of each object without prompts, and the host copies of ``fetch``.
        """
        scores: dict[ObjectId, MaskScores] = {}
        if prediction.candidates:
            expanded = [(self.objects[i].hypotheses, each) for i, each in prediction.candidates.items()]
            found, fetched = commit(
                self.model,
                encode(),
                expanded,
                context,
                self.policy,
                with_appearance=self._with_appearance,
                fetch=fetch,
            )
            scores = dict(zip(prediction.candidates, found, strict=True))
        else:
            fetched = to_host(*fetch)
        for i in prediction.hidden:
            self.objects[i].bank.drop([context.frame_index])
            scores[i] = MaskScores(MEMORY_BIAS, 1.0, stability=1.0, agreement=1.0, similarity=0.0, visible=False)
        if prediction.answers:
            self.remember_answers(encode(), context.frame_index, prediction.prompts, prediction.answers)
        for i, mask in prediction.answers.items():
            self.objects[i].hypotheses.last_frame = context.frame_index
            update_prompted(self.objects[i].hypotheses, mask, context, self.policy)
        return scores, fetched

    def remember_answers(
        self,
        features: ImageFeatures,
        frame_index: int,
        prompts: Mapping[ObjectId, Prompts],
        answers: Mapping[ObjectId, ChosenMask],
    ) -> None:
        """Put answered prompts into memory; a prompt that marks an object as absent leaves no memory of the frame."""
        banks: dict[ObjectId, MemoryBank] = {}
        for i in answers:
            state = self.objects.setdefault(i, TrackedObject())
            state.hypotheses.keep_best()
            state.absence[frame_index] = prompts[i].is_absent
            if prompts[i].is_absent:
                state.bank.drop([frame_index])
            else:
                banks[i] = state.bank
        self.encode(features, frame_index, [(bank, answers[i]) for i, bank in banks.items()], prompted=True)

    def encode(
        self,
        features: ImageFeatures,
        frame_index: int,
        masks: Collection[tuple[MemoryBank, ChosenMask]],
        *,
        prompted: bool,
    ) -> None:
        """Encode masks of one frame as one batch, each into its memory bank."""
        if not masks:
            return
        together = ChosenMask.cat([mask for _, mask in masks])
        appearance = None
        if prompted or self._with_appearance:
            appearance = appearance_embeddings(features, together.logits > 0)[:, 0]
        entries = encode_memories(self.model, features, together, prompted=prompted, appearance=appearance)
        for (bank, _), entry in zip(masks, entries, strict=True):
            bank.put(frame_index, entry, prompted=prompted)

    def pass_prompted(self, object_id: ObjectId, mask: ChosenMask, context: FrameContext) -> None:
        """Pass a frame whose prompt was answered before: its answer stays, and the rules' state takes it in."""
        if self.policy.rules:
            hypotheses = self.objects[object_id].hypotheses
            hypotheses.advance_to(context)
            update_prompted(hypotheses, mask, context, self.policy)

    def readable(self, hypothesis: Hypothesis, following: FrameContext) -> tuple[set[int], set[int]]:
        """Frames that later frames of the pass may read, and those of them whose spatial map may be read."""
        return prune(hypothesis, following, self.policy)

    def prune(self, following: FrameContext) -> None:
        """Drop the memories that no later frame of a stream reads.

        Args:
            following: the next frame.
        """
        for state in self.objects.values():
            for hypothesis in state.hypotheses.distinct:
                (frames, maps), bank = self.readable(hypothesis, following), hypothesis.bank
                bank.drop([i for i in (*bank.prompted, *bank.recent) if i not in frames])
                bank.drop_maps(bank.mapped - maps)
            state.absence = dict(sorted(state.absence.items())[-1:])
        if self.shot_cuts is not None:
            self.shot_cuts.prune(following.frame_index)

    def prune_maps(self, following: FrameContext, first_frame: Callable[[ObjectId], int]) -> None:
        """Drop the spatial maps that no later frame of a pass reads; pointers stay.

        Args:
            following: the next frame.
            first_frame: of an object in this video; maps from before it cannot be encoded again and stay.
        """
        for i, state in self.objects.items():
            for hypothesis in state.hypotheses.distinct:
                (_, maps), bank, first = self.readable(hypothesis, following), hypothesis.bank, first_frame(i)
                bank.drop_maps([frame for frame in bank.mapped if frame not in maps and frame >= first])
