"""What a model is: players and their game, latent spaces, encoders, growing, weights."""
