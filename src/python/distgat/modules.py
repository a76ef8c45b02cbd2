"""What torch's modules are beside their tensors: what no layer of the program computes is refused, not left out."""

import re

# Settings, by kind of module, that change what comes out; all others follow the tensors, or are of training alone.
SETTINGS = {
    "GCNConv": {"improved": False},
    "SAGEConv": {"aggr": "mean", "normalize": False},
    "GATConv": {"fill_value": "mean"},
    "GATv2Conv": {"fill_value": "mean"},
    "BatchNorm1d": {"eps": 1e-5, "affine": True, "track_running_stats": True},
    "LayerNorm": {"eps": 1e-5, "mode": "node", "elementwise_affine": True},
}
NORMS = {"BatchNorm", "BatchNorm1d", "SyncBatchNorm", "LayerNorm"}


def parts_of(source):
  """Returns (name, module) of all parts; none of what is no module."""
  return [(name, module) for name, module in source.named_modules() if name] if hasattr(source, "named_modules") else []


def check(source):
  """Refuses a module of which a part computes what its tensors do not tell."""
  for name, module in parts_of(source):
    kind = type(module).__name__
    if re.search(r"Norm(\dd)?$", kind) and kind not in NORMS:
      raise ValueError(f"{name}: is a {kind}; the program has batch norm and layer norm alone")
    for setting, value in SETTINGS.get(kind, {}).items():
      found = getattr(module, setting, value)
      if setting == "fill_value" and (getattr(module, "edge_dim", None) is None or not module.add_self_loops):
        continue  # of no edge
      if found != value:
        raise ValueError(f"{name}: is a {kind} of {setting}={found!r}; the program computes that of {setting}={value!r}")


def options(source):
  """Returns the options of the program that settings of a module speak of."""
  slopes = {module.negative_slope: name for name, module in parts_of(source) if type(module).__name__ in ("GATConv", "GATv2Conv")}
  if len(slopes) > 1:
    raise ValueError(f"{', '.join(slopes.values())}: have negative slopes of their own, {', '.join(map(str, slopes))}; the program "
                     "has one for all layers")
  return {"negative_slope": slope for slope in slopes}
