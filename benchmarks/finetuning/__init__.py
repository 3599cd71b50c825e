"""Finetuning protocol: one model per enhancer and seed, and the index of a folder of them."""
