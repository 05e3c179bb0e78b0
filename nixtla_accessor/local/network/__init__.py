"""The pretrained network and its fine-tuning, in numpy."""
