"""Enhancing image files: inputs to output plan, pipeline, side-by-side sheets."""
