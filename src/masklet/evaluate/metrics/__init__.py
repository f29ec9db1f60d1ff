"""Numbers that say how good masks are. All scores are 0 to 1; percent is for printing.

| file | holds |
| --- | --- |
| `frames` | what one frame says of each object: areas, J and F |
| `sequences` | J, F and J&F of objects, sequences and data sets as SA-V, DAVIS 2017 and YouTube-VOS count them |
| `mose` | MOSEv2: smoothed J, adaptive F, disappearance and reappearance |
| `click_curves` | images: mean IoU after k clicks, clicks needed (NoC), tables over data sets as for SA-23 |
| `presence` | is the object there: accuracy, precision, recall |
| `proposals` | average recall of automatic masks (COCO AR@1000) |
| `cells` | SEG of the Cell Tracking Challenge |
"""
