"""Encoders: pictures (and style texts) to unit vectors."""
