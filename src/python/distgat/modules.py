"""What torch's modules are beside their tensors: what no layer of the program computes is refused, not left out."""

import re
import warnings

# Settings, by kind of module, that change what comes out; all others follow the tensors, or are of training alone.
MESSAGES = {"aggr": "add", "flow": "source_to_target"}
SETTINGS = {
    "GCNConv": {**MESSAGES, "improved": False, "normalize": True},
    "SAGEConv": {**MESSAGES, "aggr": "mean", "normalize": False, "project": False, "root_weight": True},
    "GATConv": {**MESSAGES, "fill_value": "mean"},
    "GATv2Conv": {**MESSAGES, "fill_value": "mean"},
    "BatchNorm1d": {"eps": 1e-5, "affine": True, "track_running_stats": True},
    "LayerNorm": {"eps": 1e-5, "mode": "node", "elementwise_affine": True},
    "ELU": {"alpha": 1},
    "BasicGNN": {"act_first": False},
    "MLP": {"act_first": False, "plain_last": True},
}
NORMS = {"BatchNorm", "BatchNorm1d", "SyncBatchNorm", "LayerNorm"}
ACTIVATIONS = {"ReLU": "relu", "ELU": "elu"}
OUTPUTS = {"Sigmoid", "LogSigmoid", "Softmax", "LogSoftmax"}  # which stand behind the last layer


def parts_of(source):
  """Returns (name, module) of all parts; none of what is no module."""
  return [(name, module) for name, module in source.named_modules() if name] if hasattr(source, "named_modules") else []


def kinds_of(module):
  """Returns the names of a module's class and of those that it is made from."""
  return [kind.__name__ for kind in type(module).__mro__]


def check(source):
  """Refuses a module of which a part, or the whole, computes what its tensors do not tell."""
  parts = parts_of(source)
  for name, module in parts:
    kind = type(module).__name__
    if re.search(r"Norm(\dd)?$", kind) and kind not in NORMS:
      raise ValueError(f"{name}: is a {kind}; the program has batch norm and layer norm alone")
    if hasattr(module, "propagate") and not SETTINGS.keys() & set(kinds_of(module)):
      raise ValueError(f"{name}: is a {kind}; of layers that pass messages the program has those of GCN, GAT, GATv2 and SAGE alone")
  has_norm = any(type(module).__name__ in NORMS for _, module in parts)
  for name, module in [*parts, ("the model", source)]:
    check_settings(name, module, has_norm)
  for name, module in parts:
    if "flow" in SETTINGS.get(type(module).__name__, ()) and getattr(module, "add_self_loops", True) is False:
      warnings.warn(f"{name}: adds no self-loops, and the program's layers do: both are the same where every node has one",
                    stacklevel=5)


def check_settings(name, module, has_norm):
  for kind in kinds_of(module):
    for setting, value in SETTINGS.get(kind, {}).items():
      found = getattr(module, setting, value)
      if setting == "fill_value" and (getattr(module, "edge_dim", None) is None or not module.add_self_loops):
        continue  # of no edge
      if setting == "act_first" and not has_norm:
        continue  # ahead of nothing
      if found != value and (setting, found) != ("aggr", "sum"):
        raise ValueError(f"{name}: is a {kind} of {setting}={found!r}; the program computes that of {setting}={value!r}")


def options(source):
  """Returns the options of the program that settings of a module speak of."""
  parts = parts_of(source)
  found = {"negative_slope": {}, "activation": {}}
  for name, module in parts:
    kind = type(module).__name__
    if kind in ("GATConv", "GATv2Conv"):
      found["negative_slope"][module.negative_slope] = name
    if type(module).__module__.endswith("modules.activation") and kind not in OUTPUTS:
      found["activation"][ACTIVATIONS.get(kind, kind)] = name
  slopes, kinds = found.values()
  if len(slopes) > 1:
    raise ValueError(f"{', '.join(slopes.values())}: have negative slopes of their own, {', '.join(map(str, slopes))}; the program "
                     "has one for all layers")
  if len(kinds) > 1 or not kinds.keys() <= set(ACTIVATIONS.values()):
    raise ValueError(f"{', '.join(kinds.values())}: activate by {', '.join(kinds)}; the program has one of "
                     f"{' and '.join(ACTIVATIONS.values())} for all layers")
  return {option: value for option, values in found.items() for value in values}
