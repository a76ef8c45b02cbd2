# %% [markdown]
# # Graph attention networks on Cora
#
# From a graph file to trained models and pictures, as a notebook: editors that know `# %%` run it cell by cell, and
# `jupytext --to ipynb tutorial.py` makes a notebook of it. It needs numpy, h5py, matplotlib and scikit-learn, the
# module `distgat` and its program, and `data/cora.h5` of `bash data/fetch.sh cora`; DISTGAT_GRAPH names another graph.

# %%
import os
import time

import h5py
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
# Few, most of them, which a linear axis shows best. A layer of attention sees one neighbour more: each node attends to
# itself too.

# %%
degrees, counts = np.unique(graph.degree, return_counts=True)
few = counts[(degrees == 1) | (degrees == 2)].sum()
print(f"One or two neighbours: {100 * few / graph.num_nodes:.1f} % of the nodes")
plt.figure(figsize=(9, 4))
plt.bar(degrees, counts)
plt.xlim(-0.5, 20.5)
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

# %% [markdown]
# What the two consist of, by the names and shapes that PyTorch Geometric gives their weights:

# %%
for name, model in (("GCN", gcn), ("GATv2", gat)):
    with h5py.File(model.path, "r") as file:
        weights = {key: value.shape for key, value in file["weights"].items()}
    print(f"{name}: {sum(int(np.prod(shape)) for shape in weights.values())} parameters")
    for key, shape in weights.items():
        print(f"  {key:20} {shape}")

# %% [markdown]
# The way of training. Epoch 0 is the model as it was drawn at random, which its file keeps too.

# %%
before, after = gat.predict(weights="initial", embeddings=True), gat.predict(embeddings=True, attention=True)
right = before.prediction[split["val"]] == graph.y[split["val"]]
print(f"Epoch 0, validation accuracy: {100 * right.mean():.2f}%")
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
# t-SNE of its output, and of its last hidden layer, before training and after it: colours are the classes. What order
# there is before is not learned: a node is averaged with its neighbours, which mostly have its class.

# %%
figure, axes = plt.subplots(2, 2, figsize=(12, 12))
for row, space in zip(axes, ("logits", "embedding")):
    for axis, title, prediction in zip(row, ("before training", "after training"), (before, after)):
        tsne = TSNE(n_components=2, init="pca", learning_rate="auto", random_state=0)
        axis.scatter(*tsne.fit_transform(getattr(prediction, space)).T, s=8, c=graph.y, cmap="tab10")
        axis.set_title(f"{'output' if space == 'logits' else 'last hidden layer'}, {title}")
plt.show()

# %% [markdown]
# ## Who is helped by their neighbours
# Accuracy by the number of neighbours, with the number of nodes in each group: test nodes, and all as the tutorial
# counts, those among them that the model was trained on.

# %%
right, known = after.prediction == graph.y, graph.y >= 0
groups, names = np.minimum(graph.degree, 6), [*map(str, range(6)), "> 5"]
figure, axes = plt.subplots(1, 2, figsize=(14, 4))
among_test = np.isin(np.arange(graph.num_nodes), split["test"])
for axis, title, among in zip(axes, ("test nodes", "all nodes"), (among_test, known)):
    sizes = np.bincount(groups[among & known], minlength=7)
    accuracies = np.bincount(groups[among & known & right], minlength=7) / np.maximum(sizes, 1)
    print(f"Degree  Nodes  Accuracy  ({title})")
    for name, size, accuracy in zip(names, sizes, accuracies):
        print(f"{name:>6}  {size:5}  {100 * accuracy:7.2f}%")
    bars = axis.bar(names, 100 * accuracies)
    texts = [f"{100 * accuracy:.1f}%\n{size}" for size, accuracy in zip(sizes, accuracies)]
    axis.bar_label(bars, texts, label_type="center")
    axis.set(title=title, xlabel="Node degree", ylabel="Accuracy, %")
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
# ## Several seeds, beside the published figures
# One run is a matter of luck. The models here have the tutorial's settings, the published ones have their own.

# %%
published = {"cora": (55.1, 81.5, 83.0), "citeseer": (46.5, 70.3, 72.5), "pubmed": (71.4, 79.0, 79.0)}
recipes = {"MLP": {"recipe": "mlp"}, "GCN": {"recipe": "tutorial-gcn"},
           "GAT": {"recipe": "tutorial-gat", "model": "gat"}}
for name, figure in zip(recipes, published.get(graph.name, ("none",) * 3)):
    found = distgat.train(PATH, runs=20, progress=False, **recipes[name]).runs
    accuracies = 100 * np.array([run["test_acc"] for run in found])
    print(f"{name}: {accuracies.mean():.1f} ± {accuracies.std(ddof=1):.1f} %, published {figure}; "
          f"{np.mean([run['seconds'] for run in found]):.2f} s a run")

# %% [markdown]
# ## On to PyTorch
# With a PyTorch Geometric model `net` of the same sizes: `net.load_state_dict(distgat.state_dict(gat, like=net))`, and
# back: `distgat.train(PATH, init=net, epochs=0).predict()`. With pandas: `after.frame()`,
# `after.attention_frame("conv1")`.
