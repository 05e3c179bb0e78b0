"""The network in the box: numpy only."""
