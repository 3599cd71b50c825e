"""Enhancement of image files: output plan, pipeline, side-by-side sheets."""
