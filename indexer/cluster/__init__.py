"""The same stages on many machines, with Ray Data. Ray is imported when a cluster is used, and not before.

    driver: sources -> plan -> stretches of files          (one process, `indexer.cluster.rounds`)
    read:   hash -> decode, in worker processes            (Ray tasks, one for each free core)
    encode: batches, on GPUs where asked for               (a pool of Ray actors)
    write:  one transaction for each few hundred files     (Ray tasks; the catalog lets one write at a time)

The catalog is the truth here, too: what was written when a machine, or all of them, went away is not done again.
"""
