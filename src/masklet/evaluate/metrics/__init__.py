"""Measures of mask quality. All scores are 0 to 1; reports print percent.

| file | contents |
| --- | --- |
| `frames` | areas, J and F of each object on one frame |
| `sequences` | J, F and J&F of objects, sequences and data sets by the conventions of SA-V, DAVIS and YouTube-VOS |
| `mose` | MOSEv2: smoothed J, adaptive F, disappearance and reappearance |
| `click_curves` | images: number of clicks needed (NoC) |
| `presence` | presence of the object: accuracy, precision, recall |
| `proposals` | average recall of automatic masks (COCO AR@1000) |
| `cells` | SEG of the Cell Tracking Challenge |
"""
