"""The embedded local engine: the service's API on loopback, over a small pretrained network."""
