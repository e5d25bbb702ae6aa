"""One file for each step, `NNNN_what_it_does.py`; NNNN is its revision."""
