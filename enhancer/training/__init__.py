"""Unsupervised training of curve enhancers: recipe, trainer, losses, guidance network."""
