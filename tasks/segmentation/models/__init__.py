"""Segmenters by family: ``smp``, ``torchvision``, ``ultralytics`` and plugins."""
