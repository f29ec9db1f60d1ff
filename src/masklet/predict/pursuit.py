"""How a recorded session follows its objects: one frame of a pass after the other, with every story of each object."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch

from masklet.predict.click_refinement import Start
from masklet.predict.object_memory import ObjectMemory
from masklet.predict.past import Past
from masklet.predict.prompting import nothing
from masklet.predict.track import Told, Track, results_of
from masklet.tracking.memory_selection import MemoryPolicy, MemorySelection
from masklet.tracking.policies import Branch, CutDetector, FrameContext, branch, commit, prompted, prune, select
from masklet.tracking.step import look
from masklet.types import FrameMasks, ObjectId, Prompts


@dataclass(eq=False)
class Pursuit:
    """Follows objects by a memory policy.

    Attributes:
        policy: the policy.
        cuts: where the video was found to be cut, or None where the policy does not ask.
    """

    policy: MemoryPolicy
    cuts: CutDetector | None = field(init=False)

    def __post_init__(self) -> None:
        self.cuts = CutDetector(self.policy.cuts) if self.policy.cuts else None

    def moment(self, frame_index: int, *, reverse: bool) -> FrameContext:
        """A frame of a pass."""
        return self.cuts.moment(frame_index, reverse=reverse) if self.cuts else FrameContext(frame_index, reverse)

    def recall(self, track: Track, frame_index: int) -> MemorySelection | None:
        """What an object's likeliest story recalled on a frame that a pass went through."""
        if frame_index not in track.visited:
            return None
        return select(track.belief.best, self.moment(frame_index, reverse=track.visited[frame_index]), self.policy)

    def starts(self, past: Past, tracks: Mapping[ObjectId, Track], frame_index: int) -> dict[ObjectId, Start]:
        """What answers start from: with memory and the last logits where the frame was tracked, else afresh."""
        if not tracks:
            return {}
        guided = past.model.config.guided_corrections  # without memory
        recalls = {i: None if guided else self.recall(track, frame_index) for i, track in tracks.items()}
        past.restore((i, tracks[i].bank, recall) for i, recall in recalls.items() if recall)
        memories = [(tracks[i].bank, recall) for i, recall in recalls.items()]
        looked = look(past.model, past.features[frame_index], memories, self.policy)
        again = [i for i, track in tracks.items() if not track.starts_afresh(frame_index)]
        known = {i: past.stored_logits(i, frame_index) for i in again}
        hidden = {i for i in known if tracks[i].is_passed_over(frame_index) and not (known[i] > 0).any()}
        known = {i: logits for i, logits in known.items() if i not in hidden}
        return {
            i: Start(looked.embedding[[row]], known.get(i), i in known and track.was_tracked(frame_index))
            for row, (i, track) in enumerate(tracks.items())
        }

    def visit(self, past: Past, frame_index: int, reverse: bool, due: list[ObjectId]) -> dict[ObjectId, list[Branch]]:
        """Come to a frame of a pass.

        Returns:
            for each object that is tracked there, how its stories go on, the likeliest first.
        """
        if self.cuts is not None and due:
            self.cuts.see(frame_index, past.features[frame_index])
        at = self.moment(frame_index, reverse=reverse)
        tracks: dict[ObjectId, Track] = {}
        gone: dict[ObjectId, list[Branch]] = {}
        for i in due:
            track = past.tracks[i]
            if frame_index in track.prompts:
                self._meet_prompt(past, i, at)
                continue
            absent = track.is_gone(frame_index, reverse=reverse)
            if absent and frame_index in track.results and track.visited.get(frame_index, reverse) != reverse:
                continue  # what a pass the other way said of it stands: that one came from where the object is
            known = select(track.belief.best, at, self.policy) is not None
            if absent and not (known and self.policy.likeness):
                gone[i] = [self._pass_over(past, i, at)]
            elif known:
                track.belief.arrive(at)
                tracks[i] = track
        return gone | (self._follow(past, tracks, at) if tracks else {})

    def memory(self, past: Past, object_id: ObjectId) -> ObjectMemory:
        """What is remembered of an object after the last frame on which it was tracked; its maps are there."""
        track = past.tracks[object_id]
        last = max(track.prompts) if track.belief.last is None else track.belief.last
        reverse, story = track.visited.get(last, False), track.belief.best
        following = self.moment(last, reverse=reverse).next
        kept = prune(story, following, self.policy)
        past.restore([(object_id, story.bank, MemorySelection(tuple((i, 0) for i in sorted(kept.maps)), ()))])
        memory = ObjectMemory.of(past.model, story, following.frame_index, kept.frames)
        return memory.mirrored() if reverse else memory

    def _follow(self, past: Past, tracks: dict[ObjectId, Track], at: FrameContext) -> dict[ObjectId, list[Branch]]:
        stories = [(i, story) for i, track in tracks.items() for story in track.belief.distinct]
        recalls = [(i, story.bank, select(story, at, self.policy)) for i, story in stories]
        past.restore((i, bank, recall) for i, bank, recall in recalls if recall)
        features, beliefs = past.features[at.frame_index], [track.belief for track in tracks.values()]
        looked = look(past.model, features, [(bank, recall) for _, bank, recall in recalls], self.policy)
        ways = branch(past.model, features, looked, beliefs, at, self.policy)
        past.store(at.frame_index, {i: each[0].chosen for i, each in zip(tracks, ways, strict=True)})
        before = [track.told for track in tracks.values()]
        commit(past.model, features, list(zip(beliefs, ways, strict=True)), at, self.policy)
        for track, each, told in zip(tracks.values(), ways, before, strict=True):
            track.visited[at.frame_index] = at.reverse
            track.told = {
                s: told[w.parent] for s, w in zip(track.belief.stories, each, strict=True) if w.parent in told
            }
        return dict(zip(tracks, ways, strict=True))

    def learn(self, past: Past, frame_index: int, prompts: Mapping[ObjectId, Prompts]) -> None:
        """Objects were prompted: what the rules made of this frame before, if a pass came through it, is no more."""
        for i in prompts:
            track = past.tracks[i]
            if frame_index in track.visited:
                track.belief.settle().state.course = None
                self._take_in(past, i, self.moment(frame_index, reverse=track.visited[frame_index]))

    def _meet_prompt(self, past: Past, object_id: ObjectId, at: FrameContext) -> None:
        """Pass a frame that a person prompted."""
        track = past.tracks[object_id]
        track.visited[at.frame_index] = at.reverse
        if self.policy.rules:
            track.belief.arrive(at)
            self._take_in(past, object_id, at)

    def _take_in(self, past: Past, object_id: ObjectId, at: FrameContext) -> None:
        """Have the rules learn from what was said."""
        track = past.tracks[object_id]
        if self.policy.rules:
            said = track.prompts[at.frame_index]
            mask = nothing(past.model) if said.is_absent else past.remembered(object_id, at.frame_index)
            prompted(track.belief, mask, at, self.policy)

    def _pass_over(self, past: Past, object_id: ObjectId, at: FrameContext) -> Branch:
        """Come to a frame on which an object is absent, because a person said so on an earlier one."""
        track, mask = past.tracks[object_id], nothing(past.model)
        past.store(at.frame_index, {object_id: mask})
        story = track.belief.settle()
        story.bank.drop([at.frame_index])
        track.belief.arrive(at)
        track.visited[at.frame_index] = at.reverse
        return Branch(story, mask, torch.tensor([1.0, 1.0, 0.0]))

    def prune(self, past: Past, frame_index: int, *, reverse: bool) -> None:
        """Drop the spatial memories which no later frame of the pass recalls."""
        if self.policy.keep_memories:
            return
        following = self.moment(frame_index, reverse=reverse).next
        for track in past.tracks.values():
            for story in track.belief.distinct:
                kept = prune(story, following, self.policy).maps
                story.bank.drop_maps([i for i in story.bank.mapped if i not in kept and i >= track.begins])


def tell(track: Track, frame_index: int, ways: list[Branch], shown: Mapping[int, FrameMasks]) -> None:
    """Note what each story of an object says of a frame; the likeliest one's is the result already.

    ``shown`` are the masks of the other ways, by the identity of what they chose.
    """
    results = {key: result for key, out in shown.items() for result in results_of(out).values()}
    results[id(ways[0].chosen)] = track.results[frame_index]
    track.told = {
        story: Told(frame_index, results[id(way.chosen)], track.told.get(story))
        for story, way in zip(track.belief.stories, ways, strict=True)
    }


def settle(track: Track) -> list[int]:
    """At the end of a pass, make what the likeliest story tells the results; gives the frames that changed."""
    told, changed = track.told.get(track.belief.best), []
    track.told = {}
    while told is not None:
        if track.results.get(told.frame_index) != told.result and told.frame_index not in track.prompts:
            track.results[told.frame_index] = told.result
            changed.append(told.frame_index)
        told = told.before
    return changed
