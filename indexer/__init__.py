"""From files to vectors: scan, plan, hash, decode in worker processes, encode in batches, write. See `indexer.run`."""
