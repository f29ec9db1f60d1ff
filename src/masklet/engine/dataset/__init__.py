"""Data sets on disk: export of accepted masklets (SA-V, DAVIS, COCO, YOLO), data card, and import into a project."""
