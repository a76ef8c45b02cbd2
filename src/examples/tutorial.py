# %% [markdown]
# # Graph attention networks on Cora
#
# From a graph file to trained models and pictures, as a notebook: editors that know `# %%` run it cell by cell, and
# `jupytext --to ipynb tutorial.py` makes a notebook of it. It needs numpy, h5py, matplotlib and scikit-learn, the
# module `distgat` and its program, and `data/cora.h5` of `bash data/fetch.sh cora`; DISTGAT_GRAPH names another graph.

# %%
import os
import time

import matplotlib.pyplot as plt
import numpy as np
from sklearn.manifold import TSNE

import distgat

PATH = os.environ.get("DISTGAT_GRAPH", "data/cora.h5")

# %% [markdown]
# ## The graph
# Papers are nodes, citations edges, words features. Two directed edges stand for a citation.

# %%
graph = distgat.read_graph(PATH)
split = graph.splits["public"]
print(f"Graph:               {graph.name}")
print(f"Number of nodes:     {graph.num_nodes}")
print(f"Number of edges:     {graph.num_edges}")
print(f"Number of features:  {graph.num_features}")
print(f"Number of classes:   {graph.num_classes}")
print(f"Isolated nodes:      {np.count_nonzero(graph.degree == 0)}")
print(f"Train / val / test:  {' / '.join(str(len(split[part])) for part in ('train', 'val', 'test'))}")

# %% [markdown]
# ## How many neighbours nodes have
# Few, most of them. A layer of attention sees one neighbour more: each node attends to itself too.

# %%
degrees, counts = np.unique(graph.degree, return_counts=True)
plt.figure(figsize=(9, 4))
plt.bar(degrees, counts)
plt.xlabel("Node degree")
plt.ylabel("Number of nodes")
plt.show()

# %% [markdown]
# ## GCN
# Neighbours count by their degrees alone. Epoch lines appear while the program trains.

# %%
start = time.perf_counter()
gcn = distgat.train(PATH, recipe="tutorial-gcn")
print(f"GCN test accuracy:   {100 * gcn.test_acc:.2f}% ({time.perf_counter() - start:.2f} s)")

# %% [markdown]
# ## GATv2
# The model decides how much each neighbour counts. `ranks=2` would run it under `mpirun`, with the same result.

# %%
start = time.perf_counter()
gat = distgat.train(PATH, recipe="tutorial-gat")
print(f"GATv2 test accuracy: {100 * gat.test_acc:.2f}% ({time.perf_counter() - start:.2f} s)")

# %%
epochs, losses = gat.history["epoch"], gat.history["val_loss"]
plt.figure(figsize=(9, 4))
plt.plot(epochs, gat.history["train_loss"], label="train")
plt.plot(epochs[np.isfinite(losses)], losses[np.isfinite(losses)], label="validation")
plt.xlabel("Epoch")
plt.ylabel("Loss")
plt.legend()
plt.show()

# %% [markdown]
# ## What the model has learned
# t-SNE of its output before training, and after it: colours are the classes.

# %%
before, after = gat.predict(weights="initial"), gat.predict(embeddings=True, attention=True)
figure, axes = plt.subplots(1, 2, figsize=(12, 6))
for axis, title, prediction in zip(axes, ("before training", "after training"), (before, after)):
    points = TSNE(n_components=2, init="pca", learning_rate="auto", random_state=0).fit_transform(prediction.logits)
    axis.scatter(*points.T, s=8, c=graph.y, cmap="tab10")
    axis.set_title(title)
plt.show()

# %% [markdown]
# ## Who is helped by their neighbours
# Accuracy by the number of neighbours, with the number of nodes in each group.

# %%
right = after.prediction == graph.y
groups = np.minimum(graph.degree, 6)
names = [*map(str, range(6)), "6+"]
print("Degree  Nodes  Accuracy")
shown = []
for k, name in enumerate(names):
    members = (groups == k) & (graph.y >= 0)
    if members.any():
        shown.append((name, 100 * right[members].mean()))
        print(f"{name:>6}  {members.sum():5}  {shown[-1][1]:7.2f}%")
plt.figure(figsize=(9, 4))
plt.bar(*zip(*shown))
plt.xlabel("Node degree")
plt.ylabel("Accuracy, %")
plt.show()

# %% [markdown]
# ## Whom a node attends to
# The coefficients of one node's neighbours, itself included; those of each head sum to one.

# %%
edge_index, alpha = after.attention["conv1"]
node = int(split["test"][0])
incoming = edge_index[1] == node
for neighbour, heads in zip(edge_index[0, incoming], alpha[incoming]):
    print(f"{neighbour:6} -> {node}:  " + "  ".join(f"{head:.2f}" for head in heads))

# %% [markdown]
# ## On to PyTorch
# With a PyTorch Geometric model `net` of the same sizes: `net.load_state_dict(distgat.state_dict(gat, like=net))`, and
# back: `distgat.train(PATH, init=net, epochs=0).predict()`. With pandas: `after.frame()`,
# `after.attention_frame("conv1")`.
