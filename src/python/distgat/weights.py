"""Weights: as the program's files name them, and as PyTorch Geometric's models of any version do."""

import os
import re

import h5py
import numpy as np

from . import h5, modules
from .graphs import array

TENSOR = re.compile(r"(?:(?P<layer>.+?)\.)?(?P<tensor>(?:lin|lin_[a-z]+|res)\.(?:weight|bias)|att(?:_[a-z]+)?|weight|"
                    r"bias|running_mean|running_var|num_batches_tracked)")
# What older versions of GATConv called it: one matrix under two names, up to 2.3, and that of 1.6 and 1.7.
OLD_GAT = {"lin_src.weight": "lin.weight", "lin_dst.weight": "lin.weight", "lin_l.weight": "lin.weight",
           "lin_r.weight": "lin.weight", "att_l": "att_src", "att_r": "att_dst"}
MAIN = {"gat": "att_src", "gatv2": "att", "sage": "lin_l.weight", "gcn": "lin.weight", "mlp": "weight"}
# All tensors of a layer, beside its skip.
TENSORS = {
    "gat": {"lin.weight", "att_src", "att_dst", "bias", "lin_edge.weight", "att_edge"},
    "gatv2": {"lin_l.weight", "lin_l.bias", "lin_r.weight", "lin_r.bias", "att", "bias", "lin_edge.weight"},
    "sage": {"lin_l.weight", "lin_l.bias", "lin_r.weight"},
    "gcn": {"lin.weight", "bias"},
    "mlp": {"weight", "bias"},
}


def read_weights(path, group="weights"):
  """Returns name -> float32 array of a file of weights or a saved model, layers `conv1`, `conv2`, ..."""
  with h5py.File(path, "r") as file:
    if group not in file:
      raise ValueError(f"{path}: has no group /{group}; distgat train --save writes one")
    return {name: values[:] for name, values in file[group].items()}


def save_weights(path, weights, model=None):
  """Writes weights for `train --init`: those of a torch module, a state dict, or arrays by name, whatever version of
  PyTorch Geometric named them. Layers are numbered in their order. `model` decides where names alone do not: a plain
  `weight` is of `mlp`, or [in, out] of an early `gcn`."""
  found = to_file(weights, model)
  h5.write(path, {}, [(f"weights/{name}", value) for name, value in found.items()])


def state_dict(weights, like=None, group="weights"):
  """Returns the weights of a file, or of what `train` returns, as a state dict of torch's tensors; of arrays where
  there is no torch. `like`, a module or its state dict, says by which names and in which shapes; else they are the file's."""
  found = weights_of(weights, group)
  if like is not None:
    found = to_names_of(found, like)
  try:
    import torch
  except ImportError:
    return found
  return {name: torch.from_numpy(np.array(value)) for name, value in found.items()}


def weights_of(source, group="weights"):
  """Returns name -> array by the file's names, of a path, of what has one, or of a module or mapping."""
  path = getattr(source, "path", source)
  if isinstance(path, (str, os.PathLike)):
    return read_weights(path, group)
  return to_file(source)


def sizes(weights):
  """Returns the options of the program that weights, by the file's names, speak of."""
  count = len({name.partition(".")[0] for name in weights if name.startswith("conv")})
  model = kind_of({name.partition(".")[2] for name in weights if name.startswith("conv1.")})
  if model is None:
    raise ValueError("the weights are of no layer conv1 of " + ", ".join(MAIN))
  att = {"gat": "att_src", "gatv2": "att"}.get(model)
  found = {"model": model, "layers": count}
  if count > 1:
    found["hidden"] = weights[f"conv1.{att}"].shape[2] if att else len(weights[f"conv1.{MAIN[model]}"])
  if att:
    found["out_heads"] = weights[f"conv{count}.{att}"].shape[1]
    found.update({"heads": weights[f"conv1.{att}"].shape[1]} if count > 1 else {})
  if "conv1.res.weight" in weights:
    found["residual"] = True
  if model == "gat" and "conv1.att_dst" not in weights:
    found["attention_target"] = "off"
  if "conv1.lin_edge.weight" in weights:
    found["edge_attributes"] = "weight" if weights["conv1.lin_edge.weight"].shape[1] == 1 else "features"
  if "norm1.weight" in weights:
    found["norm"] = "batch" if "norm1.running_mean" in weights else "layer"
  return found


def kind_of(tensors):
  """Returns the model whose layer has such tensors, None where it is none's."""
  return next((kind for kind, tensor in MAIN.items() if tensor in tensors), None)


def tensors_of(weights):
  """Returns name -> tensor of a module or mapping."""
  return weights.state_dict() if hasattr(weights, "state_dict") else weights


class Layer(dict):
  """Arrays by tensor; `name` is what the layer is called, `names` what its tensors are."""

  def __init__(self, name):
    super().__init__()
    self.name, self.names = name, {}

  def add(self, tensor, value, name):
    self[tensor], self.names[tensor] = value, name


def layers_of(weights):
  """Returns (convolutions, norms): lists of Layers in their order."""
  modules.check(weights)
  layers = {}
  for name, value in tensors_of(weights).items():
    match = TENSOR.fullmatch(name)
    if match is None:
      raise ValueError(f"{name}: is no tensor of a layer of GAT, GATv2, GCN, SAGE or MLP")
    key = match["layer"] or ""
    layers.setdefault(key, Layer(key)).add(match["tensor"], array(value), name)
  ordered = [layers[key] for key in in_order(list(layers))]
  return with_skips([layer for layer in ordered if not is_norm(layer)]), [layer for layer in ordered if is_norm(layer)]


def is_norm(layer):
  return "weight" in layer and layer["weight"].ndim == 1


def with_skips(layers):
  """Returns convolutions with the linear layers beside them, one for each, as their skips; of linear layers alone these."""
  plain = [layer for layer in layers if is_plain(layer)]
  convs = [layer for layer in layers if not is_plain(layer)]
  if not plain or not convs:
    return layers
  if len(plain) != len(convs):
    raise ValueError(f"{len(plain)} linear layers beside {len(convs)} of a graph, {plain[0].name} the first; expected are none, or "
                     "a skip beside each")
  for conv, skip in zip(convs, plain):
    for tensor, value in skip.items():
      conv.add(f"res.{tensor}", value, skip.names[tensor])
  return convs


def is_plain(layer):
  return set(layer) <= {"weight", "bias"}


def in_order(keys):
  """By their number where that is all in which they differ, else as they are given."""
  parts = [re.split(r"(\d+)", key) for key in keys]
  stems = {tuple(part[::2]) for part in parts}
  if any(len(part) != 3 for part in parts) or len(stems) > 2:  # layers, and their norms
    return keys
  return [key for _, key in sorted(zip(parts, keys), key=lambda pair: int(pair[0][1]))]


def to_file(weights, model=None):
  """Returns name -> float32 array by the file's names."""
  convs, norms = layers_of(weights)
  if not convs:
    raise ValueError("there are no weights of a layer")
  if norms and len(norms) != len(convs) - 1:
    raise ValueError(f"{len(norms)} norms, {norms[0].name} the first, for {len(convs)} layers; expected are none, or one after each "
                     "hidden layer")
  plain = [layer for layer in convs if is_plain(layer)]
  turned = model not in (None, "mlp") or any(len(layer["weight"]) != len(layer.get("bias", layer["weight"]))
                                             for layer in plain)
  found = {}
  for k, layer in enumerate(convs, 1):
    layer = with_biases(checked(layer.name, modern(layer.name, layer, turned)), k == len(convs))
    found.update({f"conv{k}.{tensor}": value for tensor, value in layer.items()})
  for k, layer in enumerate(norms, 1):
    found.update({f"norm{k}.{tensor}": value for tensor, value in layer.items() if tensor != "num_batches_tracked"})
  return {name: np.ascontiguousarray(value, np.float32) for name, value in found.items()}


def modern(key, layer, turned):
  """Returns a layer by today's names. `turned`: a plain weight is [in, out], as in PyTorch Geometric up to 1.7."""
  layer = dict(layer)
  if "weight" in layer and ("att" in layer or turned):
    layer["lin.weight"] = layer.pop("weight").T
  if "lin.weight" in layer and "att" in layer:  # GATConv up to 1.5: targets before sources
    layer["att_dst"], layer["att_src"] = np.split(layer.pop("att"), 2, axis=-1)
  if "att_l" not in layer and "att_src" not in layer:
    return layer
  found = {}
  for tensor, value in layer.items():
    name = OLD_GAT.get(tensor, tensor)
    if not np.array_equal(found.setdefault(name, value), value):
      raise ValueError(f"{key}.{tensor}: differs from the layer's other {name}; both ends of an edge must share one")
  return found


def checked(key, layer):
  """Returns the layer, by today's names, if it has no tensor that the program's does not."""
  kind = kind_of(layer)
  more = sorted(set(layer) - TENSORS.get(kind, set(layer)) - {"res.weight", "res.bias"})
  if more:
    raise ValueError(f"{key}: has {', '.join(more)}, which no layer of {kind} has")
  return layer


def with_biases(layer, is_last):
  """Returns the layer with zeros for biases that it does without; heads of the last layer are averaged."""
  att = layer.get("att_src", layer.get("att"))
  main = next((layer[name] for name in ("lin.weight", "lin_l.weight", "weight") if name in layer), None)
  if main is None:
    raise ValueError(f"a layer of {', '.join(layer)} has no weight")
  biases = {"lin_l.bias": len(main), "lin_r.bias": len(main)} if att is not None and "att" in layer else {}
  if "lin_r.weight" in layer and att is None:
    biases = {"lin_l.bias": len(main)}
  else:
    biases["bias"] = att.shape[2] if att is not None and is_last else len(main)
  found = {**{name: np.zeros(size) for name, size in biases.items()}, **layer}
  if "res.bias" in found:  # of a skip of one's own; the two are added
    name = "bias" if "bias" in found else "lin_l.bias"
    found[name] = found[name] + found.pop("res.bias")
  return found


def to_names_of(weights, like):
  """Returns weights, by the file's names, by those of another model, in its shapes."""
  (mine, my_norms), (wanted, wanted_norms) = layers_of(weights), layers_of(like)
  if (len(mine), len(my_norms)) != (len(wanted), len(wanted_norms)):
    raise ValueError(f"the weights are of {len(mine)} layers and {len(my_norms)} norms, "
                     f"the other model has {len(wanted)} and {len(wanted_norms)}")
  found = {}
  for layer, model in zip(mine + my_norms, wanted + wanted_norms):
    used, places = set(), {}
    for tensor, shaped in model.items():
      name = model.names[tensor]
      value = found[name] = tensor_for(layer, tensor, shaped, used, model)
      if value is None or value.shape != shaped.shape:
        raise ValueError(f"{name}: of shape {shaped.shape}, the weights have "
                         f"{'no such tensor' if value is None else f'shape {value.shape}'}")
      twin = places.setdefault(shaped.__array_interface__["data"][0], value)
      if shaped.size and not np.array_equal(twin, value):
        raise ValueError(f"{name}: is shared with another tensor, from which the weights' own differs")
    lost = [tensor for tensor, value in layer.items() if tensor not in used and value.any()]
    if lost:
      raise ValueError(f"{model.name}: has no place for {', '.join(lost)} of the weights")
  return {name: found[name] for name in tensors_of(like)}


def tensor_for(layer, tensor, shaped, used, model):
  """Returns what a layer, by today's names, has for a tensor of any version; notes what it used."""
  def take(name):
    used.add(name)
    return layer.get(name)

  if tensor == "num_batches_tracked":
    return shaped
  own = "bias" if "bias" in layer else "lin_l.bias"
  if tensor == "res.bias":  # of a skip: all of it is in the layer's own, if it has one
    return np.zeros_like(shaped) if own in model else take(own)
  if tensor == "weight" and "lin.weight" in layer:
    return take("lin.weight").T
  if tensor == "att" and "att_src" in layer:
    return np.concatenate([take("att_dst"), take("att_src")], axis=-1)
  return take(OLD_GAT.get(tensor, tensor) if "att_src" in layer else tensor)
