"""What leaves the house: SavedModels, the graph that serves them, their files and their check."""
