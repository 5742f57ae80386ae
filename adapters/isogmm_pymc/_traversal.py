"""PyTensor's functions that follow a graph; their module depends on the version of PyTensor."""

try:
    from pytensor.graph.traversal import ancestors as ancestors
    from pytensor.graph.traversal import graph_inputs as graph_inputs
except ImportError:  # older versions of PyTensor
    from pytensor.graph.basic import ancestors as ancestors
    from pytensor.graph.basic import graph_inputs as graph_inputs
