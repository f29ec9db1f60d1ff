"""Mask maths: arrays in, arrays out; nothing here knows a model, a file or a frame."""
