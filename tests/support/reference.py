"""Models, losses and training of the public options in PyTorch, from the formulas, differentiated by autograd: messages of
all edges are stored, weights have PyTorch Geometric's names, and options are those of the command line, as a dict. Masks of
dropout and of shown labels alone are the program's own, drawn here by its random numbers."""
import numpy as np
import torch
import torch.nn.functional as F

WORD = (1 << 64) - 1
INPUT, ATTENTION, EDGES, MESSAGES, SHOWN = 0, 1, 2, 3, 16  # what randomness is for
BATCH_EPS, MOMENTUM = 1e-5, 0.1


# ---- randomness, see rng.h ----

def mix(key, word):
    x = ((key ^ (word * 0x9E3779B97F4A7C15 & WORD)) + 0x9E3779B97F4A7C15) & WORD
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9 & WORD
    x = (x ^ (x >> 27)) * 0x94D049BB133111EB & WORD
    return x ^ (x >> 31)


def random_bits(key, rows, columns):
    """Uniform 32 bits of rows and columns, which broadcast."""
    x = np.asarray(rows, np.uint64) * np.uint64(0x9E3779B97F4A7C15) ^ np.uint64(key)
    for factor in (0xBF58476D1CE4E5B9, 0x94D049BB133111EB):
        x = (x ^ (x >> np.uint64(32))) * np.uint64(factor)
    y = np.asarray(columns, np.uint32) * np.uint32(0x9E3779B1) ^ (x >> np.uint64(32)).astype(np.uint32)
    y = (y ^ (y >> np.uint32(16))) + np.uint32(key >> 32)
    y = y * np.uint32(0x7FEB352D)
    y = (y ^ (y >> np.uint32(15))) * np.uint32(0x846CA68B)
    return y ^ (y >> np.uint32(16))


class Step:
    """The randomness of one pass of training; without a seed nothing is dropped."""

    def __init__(self, seed=None, epoch=0):
        self.seed, self.epoch, self.training = seed, epoch, seed is not None

    def kept(self, layer, purpose, p, rows, columns):
        """None where all are."""
        if not self.training or p == 0:
            return None
        key = mix(mix(mix(self.seed, self.epoch), layer), purpose)
        return torch.from_numpy(random_bits(key, rows, columns) >= np.uint32(int(p * 2**32)))

    def drop(self, x, layer, purpose, p, rows, columns):
        kept = self.kept(layer, purpose, p, rows, columns)
        return x if kept is None else x * kept.to(x.dtype) / (1 - p)

    def shows(self, nodes, rate):
        key = mix(mix(self.seed, self.epoch), SHOWN)
        return np.array([(mix(key, int(i)) >> 11) / 2**53 < rate for i in nodes], bool)


# ---- layers ----

def padded(heads):
    """Heads as the program lays them out, which numbers columns of its masks."""
    return 3 if heads == 3 else next((n for n in (1, 2, 4, 8) if heads <= n), (heads + 15) // 16 * 16)


class Edges:
    """In-edges, self-loops last, whose attributes are the means of their node's others."""

    def __init__(self, graph, attributes, dtype):
        n, degree = graph.n, np.diff(graph.indptr)
        self.n, self.n_foreign = n, len(graph.indices)
        self.src = torch.from_numpy(np.concatenate([graph.indices, np.arange(n)]).astype(np.int64))
        self.dst = torch.from_numpy(np.concatenate([np.repeat(np.arange(n), degree), np.arange(n)]).astype(np.int64))
        self.degree_in = torch.bincount(self.dst, minlength=n).to(dtype)
        self.degree_out = torch.bincount(self.src, minlength=n).to(dtype)
        self.attributes = None
        if attributes is not None:
            own = torch.from_numpy(attributes[:, None] if attributes.ndim == 1 else attributes).to(dtype)
            sums = torch.zeros(n, own.shape[1], dtype=dtype).index_add(0, self.dst[:self.n_foreign], own)
            means = sums / (self.degree_in - 1).clamp(min=1)[:, None]
            self.attributes = torch.cat([own, means.float().to(dtype)])  # in the precision of the others, as the program has them

    def sum(self, messages):
        return torch.zeros(self.n, *messages.shape[1:], dtype=messages.dtype).index_add(0, self.dst[:len(messages)], messages)

    def softmax(self, score):
        index = self.dst[:, None].expand_as(score)
        top = torch.full((self.n, score.shape[1]), -torch.inf, dtype=score.dtype).scatter_reduce(0, index, score.detach(), "amax")
        e = torch.exp(score - top[self.dst])
        return e / self.sum(e)[self.dst]


def attend(z, score, edges, o, layer, step):
    """Sums rows z [N, H, D] of sources by the softmax of LeakyReLU's scores [E, H]."""
    heads, dst, src = score.shape[1], edges.dst.numpy(), edges.src.numpy()
    kept = step.kept(layer, EDGES, o["edge-dropout"], dst, src)
    if kept is not None:
        score = score.masked_fill(~(kept | (edges.src == edges.dst))[:, None], -torch.inf)
    columns = np.arange(heads) + (src * padded(heads))[:, None]
    alpha = step.drop(edges.softmax(score), layer, ATTENTION, o["attention-dropout"], dst[:, None], columns)
    out = edges.sum(alpha[:, :, None] * z[edges.src])
    return out * edges.degree_in[:, None, None]**0.5 if o["symmetric-norm"] else out


def as_sources(z, edges, o):
    return z * edges.degree_out[:, None, None]**-0.5 if o["symmetric-norm"] else z


def gat(x, p, edges, o, layer, step):
    heads = p["att_src"].shape[1:]
    z = (x @ p["lin.weight"].T).view(edges.n, *heads)
    own = as_sources(z, edges, o)
    score = (own * p["att_src"]).sum(-1)[edges.src]
    if "att_dst" in p:
        score = score + (z * p["att_dst"]).sum(-1)[edges.dst]
    if edges.attributes is not None:
        score = score + ((edges.attributes @ p["lin_edge.weight"].T).view(-1, *heads) * p["att_edge"]).sum(-1)
    columns = np.arange(heads[0])[:, None] + np.arange(heads[1]) * padded(heads[0])
    sent = step.drop(own, layer, MESSAGES, o["message-dropout"], np.arange(edges.n)[:, None, None], columns)
    return attend(sent, F.leaky_relu(score, o["negative-slope"]), edges, o, layer, step)


def gatv2(x, p, edges, o, layer, step):
    heads = p["att"].shape[1:]
    left = as_sources((x @ p["lin_l.weight"].T + p["lin_l.bias"]).view(edges.n, *heads), edges, o)
    right = (x @ p["lin_r.weight"].T + p["lin_r.bias"]).view(edges.n, *heads)
    both = left[edges.src] + right[edges.dst]
    if edges.attributes is not None:
        both = both + (edges.attributes @ p["lin_edge.weight"].T).view(-1, *heads)
    return attend(left, (F.leaky_relu(both, o["negative-slope"]) * p["att"]).sum(-1), edges, o, layer, step)


def gcn(x, p, edges, *_):
    weight = torch.ones_like(edges.src, dtype=x.dtype)
    if edges.attributes is not None:
        weight[:edges.n_foreign] = edges.attributes[:edges.n_foreign, 0]
    root = edges.sum(weight)**-0.5
    root = root.masked_fill(root == torch.inf, 0)
    z = x @ p["lin.weight"].T
    return edges.sum((root[edges.src] * weight * root[edges.dst])[:, None] * z[edges.src])


def sage(x, p, edges, *_):
    mean = edges.sum(x[edges.src[:edges.n_foreign]]) / (edges.degree_in - 1).clamp(min=1)[:, None]
    return mean @ p["lin_l.weight"].T + p["lin_l.bias"] + x @ p["lin_r.weight"].T


def mlp(x, p, *_):
    return x @ p["weight"].T


LAYERS = {"gat": gat, "gatv2": gatv2, "gcn": gcn, "sage": sage, "mlp": mlp}


def layer_shapes(o, width, classes, edge_dim):
    """Names and shapes of the weights."""
    shapes = {}
    for k in range(1, o["layers"] + 1):
        last = k == o["layers"]
        h = (o["out-heads"] if last else o["heads"]) if o["model"].startswith("gat") else 1
        d = classes if last else o["hidden"]
        wide, out = h * d, d if last else h * d
        own = {"mlp": {"weight": (d, width), "bias": (d,)},
               "gcn": {"lin.weight": (d, width), "bias": (d,)},
               "sage": {"lin_l.weight": (d, width), "lin_l.bias": (d,), "lin_r.weight": (d, width)},
               "gat": {"lin.weight": (wide, width), "att_src": (1, h, d), "att_dst": (1, h, d), "bias": (out,),
                       "lin_edge.weight": (wide, edge_dim), "att_edge": (1, h, d)},
               "gatv2": {"lin_l.weight": (wide, width), "lin_l.bias": (wide,), "lin_r.weight": (wide, width),
                         "lin_r.bias": (wide,), "att": (1, h, d), "bias": (out,), "lin_edge.weight": (wide, edge_dim)},
               }[o["model"]]
        for name, shape in own.items():
            if (edge_dim or "edge" not in name) and (o["attention-target"] == "on" or name != "att_dst"):
                shapes[f"conv{k}.{name}"] = shape
        if o["residual"]:
            shapes[f"conv{k}.res.weight"] = (out, width)
        if o["norm"] != "none" and not last:
            names = ("weight", "bias") + (("running_mean", "running_var") if o["norm"] == "batch" else ())
            shapes.update({f"norm{k}.{name}": (out,) for name in names})
        width = out
    return shapes


# ---- the model ----

def normalized(x, how):
    if how == "row":
        x = x - x.min()
        return x / x.sum(1, keepdims=True).clip(min=1)
    if how == "standardize":
        deviation = x.std(0)
        return (x - x.mean(0)) / np.where(deviation > 0, deviation, 1)
    return x


def class_weights(graph):
    """Of --class-weights balanced; with several labels a node those of its positives."""
    n, labels = len(graph.train), graph.labels[graph.train]
    if labels.ndim == 2:
        count = labels.sum(0)
        return np.where(count > 0, (n - count) / np.maximum(count, 1), 0)
    count = np.bincount(labels, minlength=graph.classes)
    return np.where(count > 0, n / graph.classes / np.maximum(count, 1), 0)


class Model:
    """`o`: options; weights by name; all in `dtype`."""

    def __init__(self, graph, o, weights, dtype=torch.float64):
        self.graph, self.o, self.dtype = graph, o, dtype
        dense = np.asarray(graph.x.todense() if hasattr(graph.x, "todense") else graph.x, np.float64)
        self.x = torch.from_numpy(normalized(dense, o["normalize"]).astype(np.float32)).to(dtype)
        self.several = graph.labels.ndim == 2
        self.y = torch.from_numpy(graph.labels.astype(np.int64))
        which = o["edge-attributes"]
        self.edges = Edges(graph, getattr(graph, f"edge_{which}") if which != "none" else None, dtype)
        self.weights = {name: torch.from_numpy(np.asarray(w)).to(dtype, copy=True).requires_grad_("running" not in name)
                        for name, w in weights.items()}
        balanced = o["class-weights"] == "balanced"
        self.class_weight = torch.from_numpy(class_weights(graph)).to(dtype) if balanced else None
        self.is_train = np.zeros(graph.n, bool)
        self.is_train[graph.train] = True

    def norm(self, x, k, step, statistics):
        w = {name: self.weights[f"norm{k}.{name}"] for name in ("weight", "bias")}
        if self.o["norm"] == "layer":
            return F.layer_norm(x, x.shape[1:], **w)
        if step.training:
            mean, var = x.mean(0), x.var(0, unbiased=False)
            statistics[f"norm{k}.running_mean"] = mean.detach()
            statistics[f"norm{k}.running_var"] = var.detach() * (len(x) / max(len(x) - 1, 1))
        else:
            mean, var = self.weights[f"norm{k}.running_mean"], self.weights[f"norm{k}.running_var"]
        return (x - mean) / torch.sqrt(var + BATCH_EPS) * w["weight"] + w["bias"]

    def once(self, x, step, statistics):
        """One pass over these input rows."""
        o, nodes = self.o, np.arange(self.graph.n)[:, None]
        columns = np.arange(x.shape[1])
        for k in range(1, o["layers"] + 1):
            p = {name.split(".", 1)[1]: w for name, w in self.weights.items() if name.startswith(f"conv{k}.")}
            x = step.drop(x, k - 1, INPUT, o["input-dropout" if k == 1 else "dropout"], nodes, columns)
            out = LAYERS[o["model"]](x, p, self.edges, o, k - 1, step)
            if out.ndim == 3:
                h, d = out.shape[1:]
                columns = np.arange(h)[:, None] + np.arange(d) * padded(h)
                out, columns = out.mean(1) if k == o["layers"] else out.flatten(1), columns.ravel()
            else:
                columns = np.arange(out.shape[1])
            out = out + p.get("bias", 0)
            if o["residual"]:
                out = out + x @ p["res.weight"].T
            if k < o["layers"]:
                out = self.norm(out, k, step, statistics) if o["norm"] != "none" else out
                out = (F.elu if o["activation"] == "elu" else F.relu)(out)
            x = out
        return x

    def forward(self, step):
        """Logits, nodes that the loss of training is of, and batch norm's statistics, of each pass."""
        o, statistics = self.o, [{} for _ in range(self.o["label-iterations"] + 1)]
        if o["use-labels"] == 0:
            return self.once(self.x, step, statistics[0]), self.is_train, statistics
        shown = self.is_train.copy()
        if step.training:
            shown &= step.shows(range(self.graph.n), o["use-labels"])
        labels = torch.zeros(self.graph.n, self.graph.classes, dtype=self.dtype)
        own = self.y if self.several else F.one_hot(self.y.clamp(min=0), self.graph.classes)
        labels[shown] = own[shown].to(self.dtype)
        for k in range(o["label-iterations"]):
            before = Step(mix(step.seed, 1 + k), step.epoch) if step.training else step
            logits = self.once(torch.cat([self.x, labels], 1), before, statistics[k]).detach()
            labels[~shown] = (torch.sigmoid(logits) if self.several else F.softmax(logits, 1))[~shown]
        logits = self.once(torch.cat([self.x, labels], 1), step, statistics[-1])
        return logits, self.is_train & ~shown, statistics

    def loss(self, logits, nodes):
        x, y, w = logits[nodes], self.y[nodes], self.class_weight
        if self.several:
            return F.binary_cross_entropy_with_logits(x, y.to(x.dtype), pos_weight=w)
        if self.o["loss"] != "log-ce":
            return F.cross_entropy(x, y, weight=w, label_smoothing=self.o["label-smoothing"])
        e = 1 - np.log(2)
        loss = torch.log(e + F.cross_entropy(x, y, label_smoothing=self.o["label-smoothing"], reduction="none")) - np.log(e)
        return loss.mean() if w is None else (loss * w[y]).sum() / w[y].sum()

    def accuracy(self, logits, nodes):
        """Micro-F1 of several labels; and how much of it could go otherwise by rounding."""
        x, y = logits[nodes].detach(), self.y[nodes]
        if self.several:
            guess = x > 0
            all_ = (guess.sum() + y.sum()).item()
            return 2 * (guess & (y > 0)).sum().item() / all_ if all_ else 0.0, (x.abs() < 1e-4).any().item()
        top = x.topk(min(2, x.shape[1]), 1)[0]
        return (x.argmax(1) == y).double().mean().item(), (x.shape[1] > 1 and (top[:, 0] - top[:, 1] < 1e-4).any().item())

    def evaluate(self, nodes):
        """Logits of all, loss and accuracy of these; None where there are none."""
        with torch.no_grad():
            logits = self.forward(Step())[0]
        return (logits, self.loss(logits, nodes).item(), self.accuracy(logits, nodes)) if len(nodes) else (logits, None, None)

    def train(self, seed):
        """Losses and accuracies of each step, of validation after it, and the first step's gradients."""
        o, trained = self.o, [w for w in self.weights.values() if w.requires_grad]
        kind = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW, "rmsprop": torch.optim.RMSprop}[o["optimizer"]]
        optimizer = kind(trained, lr=o["lr"], weight_decay=o["weight-decay"])
        found = {"loss": [], "acc": [], "val": [], "grads": None}
        for epoch in range(1, o["epochs"] + 1):
            logits, nodes, statistics = self.forward(Step(seed, epoch))
            loss = self.loss(logits, nodes) if nodes.any() else 0 * logits.sum()
            optimizer.zero_grad()
            loss.backward()
            self.silence()
            if epoch == 1:
                found["grads"] = {n: w.grad.numpy().copy() for n, w in self.weights.items() if w.requires_grad}
            if o["clip-norm"]:
                torch.nn.utils.clip_grad_norm_(trained, o["clip-norm"])
            optimizer.param_groups[0]["lr"] = o["lr"] * rate(o, epoch)
            optimizer.step()
            for name, value in (moved for one in statistics for moved in one.items()):
                self.weights[name] += MOMENTUM * (value - self.weights[name])
            found["loss"].append(loss.item())
            found["acc"].append(self.accuracy(logits, nodes) if nodes.any() else None)
            found["val"].append(self.evaluate(self.graph.val)[1:] if epoch % o["eval-every"] == 0 else (None, None))
        return found

    def silence(self):
        """Makes gradients zero that are but rounding, as those of biases before batch norm: optimizers would take their sign."""
        weights = {name: w for name, w in self.weights.items() if w.requires_grad}
        for w in weights.values():
            w.grad = torch.zeros_like(w) if w.grad is None else w.grad
        most = max(w.grad.abs().max() for w in weights.values())
        last, bias = f"conv{self.o['layers']}.", ".lin_l.bias" if self.o["model"] == "sage" else ".bias"
        for name, w in weights.items():
            taken = self.o["norm"] == "batch" and name[name.index("."):] == bias and not name.startswith((last, "norm"))
            if taken or w.grad.abs().max() < 100 * torch.finfo(w.dtype).eps * most:
                w.grad.zero_()

    def values(self):
        return {name: w.detach().double().numpy() for name, w in self.weights.items()}


def rate(o, epoch):
    """Share of --lr: linear warm-up, then a half cosine over the epochs that are left."""
    if epoch <= o["warmup"]:
        return epoch / o["warmup"]
    if o["lr-schedule"] == "constant":
        return 1
    return 0.5 * (1 + np.cos(np.pi * (epoch - 1 - o["warmup"]) / (o["epochs"] - o["warmup"])))
