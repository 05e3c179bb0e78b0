"""Open base models on disk: pulled by an explicit command, listed, removed, and found by their names."""
