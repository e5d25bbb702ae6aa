"""Training of style encoders: style-labelled pictures in, weights and a manifest that `stylesearch` reads out."""
