"""A miniature of every data set in the table: the same tiny scene, laid out as each set is."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
import pytest
from jaxtyping import Bool
from PIL import Image
from scipy.io import savemat

from masklet.io import write_image, write_label_map
from masklet.masks.rle import encode_masks
from masklet.types import RgbImage

SIZE = (24, 32)
FRAMES = range(9)


def scene_picture(index: int) -> RgbImage:
    """Gray with a red square that moves a pixel a frame."""
    picture = np.full((*SIZE, 3), 120, np.uint8)
    picture[scene_masks(index)[0]] = (200, 40, 30)
    return picture


def scene_masks(index: int) -> Bool[np.ndarray, "2 h w"]:
    """Object 1 from the first frame on; object 2 from frame 2 on, overlapping it; both end at the border of nothing."""
    masks = np.zeros((2, *SIZE), bool)
    masks[0, 4:14, 2 + index : 12 + index] = True
    masks[1, 10:20, 8:18] = index >= 2
    return masks


def seen_masks(index: int) -> Bool[np.ndarray, "2 h w"]:
    """The same in a label map, where object 2 covers object 1."""
    masks = scene_masks(index)
    masks[0] &= ~masks[1]
    return masks


def label_map(index: int, ids: Sequence[int] = (1, 2)) -> np.ndarray:
    labels = np.zeros(SIZE, np.uint16)
    for i, mask in zip(ids, scene_masks(index), strict=True):
        labels[mask] = i
    return labels


def save(path: Path, pixels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


@dataclass(frozen=True)
class Miniatures:
    """Builds parts of data sets under a root."""

    root: Path

    scene_picture = staticmethod(scene_picture)
    scene_masks = staticmethod(scene_masks)
    seen_masks = staticmethod(seen_masks)
    size = SIZE

    def pictures(self, form: str, numbers: Sequence[int] = FRAMES) -> None:
        for number in numbers:
            save(self.root / form.format(number), scene_picture(number))

    def labels(self, form: str, numbers: Sequence[int] = FRAMES, *, ids: Sequence[int] = (1, 2)) -> None:
        for number in numbers:
            path = self.root / form.format(number)
            path.parent.mkdir(parents=True, exist_ok=True)
            labels = label_map(number, ids)
            write_label_map(path, labels if max(ids) > 255 else labels.astype(np.uint8))

    def binary(self, form: str, numbers: Sequence[int] = FRAMES) -> None:
        for number in numbers:
            save(self.root / form.format(number), scene_masks(number)[0].astype(np.uint8) * 255)

    def colors(self, form: str, numbers: Sequence[int] = FRAMES) -> None:
        for number in numbers:
            palette = np.array([(0, 0, 0), (220, 20, 60), (0, 0, 142)], np.uint8)
            save(self.root / form.format(number), palette[label_map(number)])

    def object_folders(self, form: str, numbers: Sequence[int]) -> None:
        for number in numbers:
            for place, mask in enumerate(scene_masks(number)):
                path = self.root / form.format(place, number)
                path.parent.mkdir(parents=True, exist_ok=True)
                write_image(path, mask)

    def text(self, path: str, content: str) -> None:
        (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        (self.root / path).write_text(content, encoding="utf-8")

    def json(self, path: str, content: object) -> None:
        self.text(path, json.dumps(content))

    def video(self, path: str, count: int = len(FRAMES)) -> None:
        (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        with av.open(str(self.root / path), "w") as container:
            stream = container.add_stream("libx264", rate=24)
            stream.height, stream.width, stream.pix_fmt = *SIZE, "yuv420p"
            for index in range(count):
                frame = av.VideoFrame.from_ndarray(scene_picture(min(index, FRAMES[-1])))
                container.mux(stream.encode(frame))
            container.mux(stream.encode(None))

    def sav(self, path: str, *, kind: str = "manual", count: int = len(FRAMES)) -> dict[str, object]:
        masks = [[rle.to_coco() for rle in encode_masks(scene_masks(index))] for index in range(0, count, 4)]
        document: dict[str, object] = {
            "video_id": Path(path).name.rpartition("_")[0],
            "video_duration": count / 24,
            "video_frame_count": float(count),
            "video_height": float(SIZE[0]),
            "video_width": float(SIZE[1]),
            "masklet": masks,
            "masklet_id": [0, 1],
            "masklet_type": [kind, kind],
            "masklet_num": 2,
        }
        self.json(path, document)
        return document

    def sa1b(self, stem: str) -> None:
        self.pictures(f"{stem}.jpg", [3])
        masks = [{"id": i, "segmentation": rle.to_coco()} for i, rle in enumerate(encode_masks(scene_masks(3)))]
        image = {"image_id": 1, "height": SIZE[0], "width": SIZE[1], "file_name": f"{Path(stem).name}.jpg"}
        self.json(f"{stem}.json", {"image": image, "annotations": masks})

    def tar(self, path: str, *names: str) -> None:
        with tarfile.open(self.root / path, "w") as tar:
            for name in names:
                tar.add(self.root / name, name)
                (self.root / name).unlink()

    def coco_images(self, *names: str) -> dict[str, object]:
        polygon = [2.0, 4.0, 12.0, 4.0, 12.0, 14.0, 2.0, 14.0]
        code = encode_masks(scene_masks(0))[0].to_coco()
        return {
            "images": [
                {"id": i, "file_name": name, "height": SIZE[0], "width": SIZE[1]} for i, name in enumerate(names)
            ],
            "categories": [{"id": 7, "name": "square"}],
            "annotations": [
                annotation
                for i in range(len(names))
                for annotation in (
                    {"id": 2 * i, "image_id": i, "category_id": 7, "segmentation": [polygon], "iscrowd": 0},
                    {"id": 2 * i + 1, "image_id": i, "category_id": 7, "segmentation": code, "iscrowd": 1},
                )
            ],
        }

    def coco_videos(self, *names: str, form: str = "{}/{:05d}.jpg") -> dict[str, object]:
        codes = [[rle.to_coco() for rle in encode_masks(scene_masks(index))] for index in FRAMES]
        first = [frame[0] for frame in codes]
        second = [frame[1] if index >= 2 else None for index, frame in enumerate(codes)]
        return {
            "videos": [
                {"id": i, "height": SIZE[0], "width": SIZE[1], "file_names": [form.format(name, f) for f in FRAMES]}
                for i, name in enumerate(names)
            ],
            "categories": [{"id": 7, "name": "square"}],
            "annotations": [
                {"id": 10 * i + k, "video_id": i, "category_id": 7, "segmentations": segmentations}
                for i in range(len(names))
                for k, segmentations in enumerate((first, second))
            ],
        }


def davis_like(pictures: str, labels: str, *listing: str) -> Callable[[Miniatures], None]:
    """Two sequences, "b10" and "b9", in folders of the given forms, and an optional list that names both."""

    def make(mini: Miniatures) -> None:
        for name in ("b10", "b9"):
            mini.pictures(f"{pictures.replace('NAME', name)}/{{:05d}}.jpg")
            mini.labels(f"{labels.replace('NAME', name)}/{{:05d}}.png")
        for path in listing:
            mini.text(path, "b10\n\nb9\n")

    return make


def davis2016(mini: Miniatures) -> None:
    mini.pictures("JPEGImages/480p/bear/{:05d}.jpg")
    mini.binary("Annotations/480p/bear/{:05d}.png")
    mini.text("ImageSets/480p/val.txt", "/JPEGImages/480p/bear/00000.jpg /Annotations/480p/bear/00000.png\n")


def youtube_vos(mini: Miniatures) -> None:
    for name in ("b10", "b9"):
        mini.pictures(f"valid/JPEGImages/{name}/{{:05d}}.jpg")
        mini.labels(f"valid/Annotations/{name}/{{:05d}}.png", [0, 2])
    objects = {"1": {"category": "dog", "frames": ["00000"]}, "2": {"category": "yak", "frames": ["00002"]}}
    mini.json("valid/meta.json", {"videos": {"b9": {"objects": objects}, "b10": {"objects": objects}}})
    mini.json("train/meta.json", {"videos": {"a": {"objects": {"1": {"category": "dog", "frames": []}}}}})


def lvos(mini: Miniatures) -> None:
    davis_like("valid/JPEGImages/NAME", "valid/Annotations/NAME")(mini)
    objects = {i: {"frame_range": {"start": "0", "end": "8", "frame_nums": "9"}} for i in ("1", "2")}
    mini.json("valid/valid_meta.json", {"videos": {"b9": {"objects": objects}, "b10": {"objects": objects}}})


def sav_val(mini: Miniatures) -> None:
    mini.pictures("sav_val/JPEGImages_24fps/sav_000001/{:05d}.jpg")
    mini.object_folders("sav_val/Annotations_6fps/sav_000001/{:03d}/{:05d}.png", [0, 4, 8])
    mini.text("sav_val/sav_val.txt", "sav_000001\n")


def sav_train(mini: Miniatures) -> None:
    mini.video("sav_train/sav_000/sav_000001.mp4")
    mini.sav("sav_train/sav_000/sav_000001_manual.json")
    mini.sav("sav_train/sav_000/sav_000001_auto.json", kind="auto")


def cells(kind: str) -> Callable[[Miniatures], None]:
    def make(mini: Miniatures) -> None:
        for name in ("01", "02"):
            for number in FRAMES:
                save(mini.root / f"{name}/t{number:03d}.tif", scene_picture(number)[..., 0].astype(np.uint16) * 20)
                path = mini.root / f"{name}_GT/{kind.upper()}/man_{'track' if kind == 'tra' else 'seg'}{number:03d}.tif"
                save(path, label_map(number, (300, 700)))
        mini.text("01_GT/TRA/man_track.txt", "300 0 8 0\n700 2 8 0\n")

    return make


def endovis(mini: Miniatures) -> None:
    mini.pictures("seq_1/left_frames/frame{:03d}.png")
    mini.colors("seq_1/labels/frame{:03d}.png")
    mini.text("labels.json", "[]")


def lv_vis(mini: Miniatures) -> None:
    for name in ("b10", "b9"):
        mini.pictures(f"JPEGImages/val/{name}/{{:05d}}.jpg")
    mini.json("Annotations/val_instances.json", mini.coco_videos("b10", "b9"))


def uvo(mini: Miniatures) -> None:
    for name in ("b10", "b9"):
        mini.pictures(f"uvo_videos_dense_frames/{name}/{{}}.png")
    mini.json("VideoDenseSet/UVO_video_val_dense.json", mini.coco_videos("b10", "b9", form="{}/{}.png"))


def vipseg(mini: Miniatures) -> None:
    mini.pictures("imgs/7_abc/{:08d}.jpg")
    mini.labels("panomasks/7_abc/{:08d}.png", ids=(41, 6101))
    mini.text("val.txt", "7_abc\n")


def vkitti2(mini: Miniatures) -> None:
    mini.pictures("Scene01/15-deg-left/frames/rgb/Camera_0/rgb_{:05d}.jpg")
    mini.labels("Scene01/15-deg-left/frames/instanceSegmentation/Camera_0/instancegt_{:05d}.png", ids=(3, 9))


def cityscapes(mini: Miniatures) -> None:
    for clip in ("0005", "0010"):
        mini.pictures(f"val/img_all/{clip}_{{:04d}}_frankfurt_000000_001736_newImg8bit.png")
        mini.colors(f"val/panoptic_video/{clip}_{{:04d}}_frankfurt_000000_001736_gtFine_color.png", [0, 5])


def plain_binary(mini: Miniatures) -> None:
    mini.pictures("JPEGImages/b9/{:05d}.png")
    mini.binary("Annotations/b9/{:05d}.png")


def wide_ids(mini: Miniatures) -> None:
    for number in FRAMES:
        save(mini.root / f"JPEGImages/b9/{number:05d}.tif", scene_picture(number)[..., 0].astype(np.uint16) * 20)
    mini.labels("Annotations/b9/{:05d}.png", ids=(300, 700))


def sa_1b(mini: Miniatures) -> None:
    mini.sa1b("val/sa_10")
    mini.sa1b("val/sa_9")
    mini.sa1b("shards/sa_11")
    mini.tar("shards/sa_000001.tar", "shards/sa_11.jpg", "shards/sa_11.json")


def coco(mini: Miniatures) -> None:
    mini.pictures("val2017/{:012d}.jpg", [9, 10])
    mini.json("annotations/instances_val2017.json", mini.coco_images("000000000010.jpg", "000000000009.jpg"))


def bsds(mini: Miniatures) -> None:
    mini.pictures("images/val/{}.jpg", [3])
    cells = np.empty((1, 2), object)
    for place in range(2):
        cells[0, place] = {"Segmentation": label_map(3) + 1, "Boundaries": np.zeros(SIZE, np.uint8)}
    (mini.root / "groundTruth/val").mkdir(parents=True)
    savemat(mini.root / "groundTruth/val/3.mat", {"groundTruth": cells}, do_compression=True)


def voc(mini: Miniatures) -> None:
    mini.pictures("JPEGImages/2007_{:06d}.jpg", [3, 5])
    mini.labels("SegmentationObject/2007_{:06d}.png", [3, 5], ids=(1, 255))
    mini.text("ImageSets/Segmentation/val.txt", "2007_000003\n")


def stills(mini: Miniatures) -> None:
    mini.pictures("images/{}.jpg", [3])
    mini.labels("masks/{}.png", [3])


PLAIN = davis_like("JPEGImages/NAME", "Annotations/NAME")
MAKERS: dict[str, Callable[[Miniatures], None]] = {
    "davis2016": davis2016,
    "davis2017": davis_like("JPEGImages/480p/NAME", "Annotations/480p/NAME", "ImageSets/2017/val.txt"),
    "youtube-vos-2018": youtube_vos,
    "youtube-vos-2019": youtube_vos,
    "mose": davis_like("train/JPEGImages/NAME", "train/Annotations/NAME"),
    "mosev2": davis_like("train/JPEGImages/NAME", "train/Annotations/NAME"),
    "lvos": lvos,
    "lvosv2": lvos,
    "sa-v": sav_val,
    "sa-v-train": sav_train,
    "ctc": cells("tra"),
    "ctc-seg": cells("seg"),
    "videos": PLAIN,
    "endovis2018": endovis,
    "esd": PLAIN,
    "lv-vis": lv_vis,
    "pumavos": PLAIN,
    "uvo": uvo,
    "vipseg": vipseg,
    "vkitti2": vkitti2,
    "vost": davis_like("JPEGImages/NAME", "Annotations/NAME", "ImageSets/val.txt"),
    "cityscapes-vps": cityscapes,
    "drosophila-heart": plain_binary,
    "ego-exo4d": PLAIN,
    "fbms": PLAIN,
    "ht1080wt": wide_ids,
    "lindenthal": PLAIN,
    "wildfires": plain_binary,
    "visor": davis_like(
        "VISOR_2022/JPEGImages/480p/NAME", "VISOR_2022/Annotations/480p/NAME", "VISOR_2022/ImageSets/2022/val.txt"
    ),
    "sa-1b": sa_1b,
    "coco": coco,
    "bsds500": bsds,
    "voc": voc,
    "images": stills,
}


@pytest.fixture(scope="session")
def makers() -> dict[str, Callable[[Miniatures], None]]:
    """What makes each miniature, by the name of the data set."""
    return MAKERS


@pytest.fixture
def mini(tmp_path: Path) -> Miniatures:
    """A place to build a miniature in."""
    return Miniatures(tmp_path)


@pytest.fixture
def miniature(mini: Miniatures) -> Callable[[str], Path]:
    """Makes the miniature of a data set and says where it is."""

    def make(name: str) -> Path:
        MAKERS[name](mini)
        return mini.root

    return make
