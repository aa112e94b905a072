"""What everything stands on: recipes, the registry, errors, paths, pixels, devices."""
