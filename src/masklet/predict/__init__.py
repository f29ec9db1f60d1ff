"""Segmenters and trackers for images, streams and recorded videos."""
