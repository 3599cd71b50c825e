"""Unsupervised training of enhancers: recipe, trainer, losses, guidance networks."""
