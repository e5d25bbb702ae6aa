"""A Ray cluster of two nodes on this machine, as a program, so that it can be killed and its processes end with it.

    RAY_TMPDIR=FOLDER python ray_nodes.py

Prints its address, kills the second node when told `kill`, and ends when its standard input does. Everything that Ray
writes lies in FOLDER, whose path must be short: Ray makes sockets in it.
"""

from __future__ import annotations

import sys
from typing import Any

from ray.cluster_utils import Cluster

# An address of the loopback device for each, but not 127.0.0.1, for which Ray takes an address that others can reach.
ADDRESSES = ("127.0.0.2", "127.0.0.3")
OPTIONS: dict[str, Any] = {"num_cpus": 2, "include_dashboard": False, "object_store_memory": 100 * 2**20}


def main() -> None:
    cluster = Cluster()
    # A node counts as dead after two seconds of silence.
    quick = {"health_check_initial_delay_ms": 0, "health_check_period_ms": 500, "health_check_failure_threshold": 4}
    cluster.add_node(**OPTIONS, node_ip_address=ADDRESSES[0], _system_config=quick)
    second = cluster.add_node(**OPTIONS, node_ip_address=ADDRESSES[1])
    print(cluster.address, flush=True)
    for line in sys.stdin:
        if line == "kill\n":
            cluster.remove_node(second, allow_graceful=False)
            print("killed", flush=True)
    cluster.shutdown()


if __name__ == "__main__":
    main()
