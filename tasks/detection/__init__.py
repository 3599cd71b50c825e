"""Object detection: data sets, detectors, metrics, training."""
