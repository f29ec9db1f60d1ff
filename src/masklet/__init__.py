"""Point at an object once, in an image, a video or a live stream, and get its mask in every frame."""
