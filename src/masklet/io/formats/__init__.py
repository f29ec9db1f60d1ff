"""Output and annotation formats, one module each: what is written can be read back."""
