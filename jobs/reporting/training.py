"""Models as they are printed, and the way their training went."""
import numpy as np

from .canvas import BLUE, GREY, ORANGE, Picture, panel

LAYERS = {"gcn": ("GCN", "GCNConv"), "gat": ("GAT", "GATConv"), "gatv2": ("GATv2", "GATv2Conv"),
          "mlp": ("MLP", "Linear"), "sage": ("SAGE", "SAGEConv")}
COLUMNS = ("train_loss", "train_acc", "val_loss", "val_acc")
SHOWN_EVERY = 10  # epochs between the lines of a log


def printed(model):
  """The model as PyTorch prints its modules."""
  title, layer = LAYERS.get(model.kind, (model.kind, "Layer"))
  lines = [f"{title}("]
  for k in range(1, model.layers + 1):
    sizes = layer_sizes(model, k)
    lines.append(f"  (conv{k}): {layer}({', '.join(sizes)})" if sizes else f"  (conv{k}): {layer}")
    if f"norm{k}.weight" in model.shapes:
      lines.append(f"  (norm{k}): {'BatchNorm' if f'norm{k}.running_mean' in model.shapes else 'LayerNorm'}"
                   f"({model.shapes[f'norm{k}.weight'][0]})")
  return "\n".join([*lines, ")", f"{model.parameters:,} parameters"])


def layer_sizes(model, k):
  """Inputs, outputs and what else is said of layer k, by the shapes of its weights."""
  of_layer = {name.removeprefix(f"conv{k}."): shape for name, shape in model.shapes.items()}
  weight = next((of_layer[name] for name in ("lin_l.weight", "lin.weight", "weight") if name in of_layer), None)
  if weight is None:
    return []
  heads = next((of_layer[name][1] for name in ("att", "att_src") if name in of_layer), 1)
  words = [str(weight[1]), str(weight[0] // heads)]
  if model.has_attention:
    words.append(f"heads={heads}" + (", concat=False" if k == model.layers and heads > 1 else ""))
  if "lin_edge.weight" in of_layer:
    words.append(f"edge_dim={of_layer['lin_edge.weight'][1]}")
  return words + ["residual=True"] * ("res.weight" in of_layer)


def evaluate(logits, labels, ids):
  """Cross-entropy and accuracy on the labelled nodes among ids; None where there are none or they are not finite."""
  ids = ids[labels[ids] >= 0]
  chosen = logits[ids].astype(float)
  if not len(ids) or not np.isfinite(chosen).all():
    return None
  chosen -= chosen.max(axis=1, keepdims=True)
  losses = np.log(np.exp(chosen).sum(axis=1)) - chosen[np.arange(len(ids)), labels[ids]]
  return float(losses.mean()), float((chosen.argmax(axis=1) == labels[ids]).mean())


def log_rows(model, start):
  """Epoch and losses and accuracies of training and validation: the beginning, every tenth epoch, and the last."""
  history, rows = model.history, []
  if start:
    rows.append((0, *(start.get("train") or (np.nan, np.nan)), *(start.get("val") or (np.nan, np.nan))))
  epochs = history.get("epoch", ())
  for row, epoch in enumerate(epochs):
    if epoch % SHOWN_EVERY == 0 or row == len(epochs) - 1:
      rows.append((int(epoch), *(float(history[key][row]) for key in COLUMNS)))
  return rows


def curves(model, start):
  """`start`: (loss, accuracy) of the initial weights on train and val, or None."""
  history = model.history
  if len(history.get("epoch", ())) == 0:
    return None
  panels = []
  known = start and any(found and np.isfinite(found[0]) for found in start.values())
  labels = ("loss", "cross-entropy" if known else "loss"), ("acc", "accuracy (%)")
  for place, (quantity, label) in enumerate(labels):
    figure, axes = panel(2.9, xlabel="epoch", ylabel=label)
    for part, colour, name in (("train", BLUE, "training"), ("val", ORANGE, "validation")):
      epochs, values = curve(history, part, quantity, (start or {}).get(part), place)
      axes.plot(epochs, values * (100 if quantity == "acc" else 1), color=colour, label=name,
                marker="." if len(epochs) < 50 else None)
    best = model.result.get("best_epoch")
    if best and best < history["epoch"][-1]:
      axes.axvline(best, color=GREY, linestyle=":", label="kept")
    axes.set_ylim(bottom=0)
    axes.set_xlim(left=0)
    axes.legend()
    panels.append((label, figure))
  return Picture("Training curves", curve_words(model, start), panels)


def curve(history, part, quantity, start, place):
  """Epochs and values that are known. A step's own figures are of the weights that it began with."""
  epochs = np.asarray(history["epoch"], float) - (part == "train")
  values = np.asarray(history.get(f"{part}_{quantity}", ()), float)
  if start and part == "val":
    epochs, values = np.append(0, epochs), np.append(start[place], values)
  known = np.isfinite(values)
  return epochs[:len(values)][known], values[known]


def curve_words(model, start):
  history = model.history
  words = ("Epoch 0 is the model as it was drawn at random, before any step. The training curve is each step's own "
           "forward pass, with dropout, on the training nodes; the validation curve is a pass without dropout over "
           "nodes that the model has not learned from.")
  if start is None:
    words += " Validation begins with its first pass" + ("." if model.has_initial else ", as the file has no initial weights.")
  losses = history.get("val_loss", np.empty(0))
  known = np.flatnonzero(np.isfinite(losses))
  if len(known) > 1:
    least = known[np.argmin(losses[known])]
    words += f" Validation loss is least at epoch {history['epoch'][least]:,} ({losses[least]:.3f})"
    words += (f" and {losses[known[-1]]:.3f} at the end: the model goes on to fit its few training nodes, which is "
              "what early stopping is for." if losses[known[-1]] > 1.02 * losses[least] else ", at the end or near it.")
  return words
