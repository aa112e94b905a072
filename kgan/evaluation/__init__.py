"""What a model is worth: figures that it is asked for, judges, recovery."""
