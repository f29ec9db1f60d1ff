"""Annotation formats, one file each: what is written can be read back equal."""
