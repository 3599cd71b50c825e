"""What a vision model is asked to do, and how its answer is scored."""
