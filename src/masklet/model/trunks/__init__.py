"""Image encoders: pixels to features at four strides."""
