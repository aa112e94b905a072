"""What a model is: the players of a game, latent spaces, encoders, growing, and weights in folders."""
