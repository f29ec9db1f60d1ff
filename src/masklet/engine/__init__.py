"""The data engine: media, tasks for people, masklets with their history (paper section 5)."""
