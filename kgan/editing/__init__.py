"""Editing: work on pictures with networks that are trained already."""
