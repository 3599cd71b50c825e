"""Vision tasks: data sets, models, metrics and training."""
