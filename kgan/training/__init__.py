"""A run: its loop, callbacks, checkpoints and folder, and what a step costs."""
