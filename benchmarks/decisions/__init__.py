"""Decisions from finished runs: when to enhance, which enhancer to deploy, how sure, and how many images more."""
