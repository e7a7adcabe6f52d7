"""Connected components: which documents hang together when every edge says "these two are the same".

Limits: one process holds it all, 16 bytes an edge and 8 a node. 10^9 edges over 10^9 nodes are 24 GB.
"""

import numpy as np
from numba import njit
from numpy.typing import ArrayLike, NDArray

Nodes = NDArray[np.int64]


def components(left: ArrayLike, right: ArrayLike, n_nodes: int) -> Nodes:
    """For each node of 0..n_nodes-1 the smallest node of its component; a node without edges is its own.

    # edges 3-1, 4-3 among 5 nodes -> [0, 1, 2, 1, 1]

    The answer does not depend on the order or the direction of the edges. Number the ids in sorted order, and the
    smallest node is the smallest id. ValueError when the two sides differ in length or name a node that is not there.
    """
    a, b = (np.ascontiguousarray(side, dtype=np.int64) for side in (left, right))
    if a.shape != b.shape or a.ndim != 1:
        raise ValueError(f"edges are two lists of one length; these have the shapes {a.shape} and {b.shape}")
    if a.size and (min(a.min(), b.min()) < 0 or max(a.max(), b.max()) >= n_nodes):
        raise ValueError(f"an edge names a node outside 0..{n_nodes - 1}")
    parent = np.arange(n_nodes, dtype=np.int64)
    _join(parent, a, b)
    return parent


@njit(cache=True)
def _join(parent: Nodes, left: Nodes, right: Nodes) -> None:
    """Union-find in place: parents never lie above their children, so that each root is its set's smallest node."""
    for edge in range(left.size):
        a, b = _root(parent, left[edge]), _root(parent, right[edge])
        if a < b:
            parent[b] = a
        else:
            parent[a] = b
    for node in range(parent.size):  # ascending: the parent's own answer already stands
        parent[node] = parent[parent[node]]


@njit(cache=True)
def _root(parent: Nodes, node: int) -> int:
    """The root of a node's tree; halves the path on the way (Tarjan and van Leeuwen 1984)."""
    while parent[node] != node:
        parent[node] = parent[parent[node]]
        node = parent[node]
    return node
