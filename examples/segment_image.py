"""Segment one object in an image: python segment_image.py cat.jpg 500 375 cat-mask.png"""

import sys

import masklet
from masklet.io import write_image

path, x, y, target = sys.argv[1:]
segmenter = masklet.ImageSegmenter(masklet.load())
image = segmenter.encode(masklet.read_image(path))
masks = segmenter.segment(image, masklet.Prompts.click(float(x), float(y)), candidates=3)
write_image(target, masks.best.masks[0])
print(f"{target}: {masks.best.masks[0].sum()} pixels, predicted IoU {masks.best.iou[0]:.2f}")
