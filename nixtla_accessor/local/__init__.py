"""The local engine: the API of the service on loopback, over a small pretrained network."""
