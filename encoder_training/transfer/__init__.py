"""Training of models that make pictures in a style: LoRAs and mixtures of experts on FLUX, by flow matching."""
