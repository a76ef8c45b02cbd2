"""distgat from Python: graphs from arrays, PyTorch Geometric, DGL and networkx; training by the program `distgat`,
alone or under MPI; predictions, embeddings and attention as arrays and DataFrames; weights as PyTorch state
dicts, and back.

    import distgat
    graph = distgat.from_pyg(dataset[0], "cora.h5")        # or write_graph("cora.h5", edge_index, x, y, train_mask=...)
    model = distgat.train("cora.h5", recipe="tutorial-gat", ranks=2)
    net.load_state_dict(distgat.state_dict(model, like=net))
    model.predict(embeddings=True, attention=True).frame()

It needs numpy and h5py; what it hands to torch or pandas needs these."""

from .graphs import Graph, make_graph, read_graph, write_graph
from .models import Attention, Model, Prediction, predict, read_prediction, train
from .program import Error
from .sources import from_dgl, from_networkx, from_pyg
from .weights import read_weights, save_weights, state_dict

__version__ = "0.1.0"
__all__ = ["Attention", "Error", "Graph", "Model", "Prediction", "from_dgl", "from_networkx", "from_pyg", "make_graph",
           "predict", "read_graph", "read_prediction", "read_weights", "save_weights", "state_dict", "train",
           "write_graph"]
