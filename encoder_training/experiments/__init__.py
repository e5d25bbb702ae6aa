"""Experiments: one Python file each, with its command, its duration and what to expect in its header."""
