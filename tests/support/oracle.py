"""Reference models in double precision: plain formulas over the list of edges, differentiated by a small tape.

A model is (kind, weights): weights is a dict of arrays under PyTorch Geometric's names and shapes, from which layers,
widths and heads follow. Nothing here is shared with the program, and nothing is fast: messages of all edges are stored.
"""
import numpy as np
import scipy.sparse as sp


class Var:
    """A value on the tape: `parents` are pairs of a Var and the map from this value's gradient to that one's share."""

    def __init__(self, value, parents=()):
        self.value, self.parents, self.grad = value, parents, None

    def __add__(self, other):
        return Var(self.value + other.value, [(self, lambda g: unbroadcast(g, self)),
                                              (other, lambda g: unbroadcast(g, other))])

    def __mul__(self, other):
        return Var(self.value * other.value, [(self, lambda g: unbroadcast(g * other.value, self)),
                                              (other, lambda g: unbroadcast(g * self.value, other))])

    def __truediv__(self, other):
        return Var(self.value / other.value, [(self, lambda g: unbroadcast(g / other.value, self)),
                                              (other, lambda g: unbroadcast(-g * self.value / other.value**2, other))])


def unbroadcast(g, var):
    """Sums a gradient over the axes along which `var` was repeated."""
    shape = var.value.shape
    g = g.sum(axis=tuple(range(g.ndim - len(shape))))
    return g.sum(axis=tuple(i for i, n in enumerate(shape) if n == 1 and g.shape[i] > 1), keepdims=True)


def backward(root):
    """Sets the gradient of the scalar `root` with respect to every Var it depends on."""
    order, seen = [], set()

    def visit(var):
        if id(var) not in seen:
            seen.add(id(var))
            for parent, _ in var.parents:
                visit(parent)
            order.append(var)

    visit(root)
    root.grad = np.ones_like(root.value)
    for var in reversed(order):
        for parent, share in var.parents:
            g = share(var.grad)
            parent.grad = g if parent.grad is None else parent.grad + g


def linear(x, w):
    """x w^T for x [n, in] (a Var, or a constant sparse matrix) and w [out, in]."""
    if sp.issparse(x):
        return Var(x @ w.value.T, [(w, lambda g: (x.T @ g).T)])
    return Var(x.value @ w.value.T, [(x, lambda g: g @ w.value), (w, lambda g: g.T @ x.value)])


def spread(matrix, x):
    """A constant sparse matrix times x along the first axis: gathers rows, or sums them by node."""
    def apply(a, v):
        return (a @ v.reshape(len(v), -1)).reshape((a.shape[0],) + v.shape[1:])
    return Var(apply(matrix, x.value), [(x, lambda g: apply(matrix.T, g))])


def reshape(x, *shape):
    return Var(x.value.reshape(shape), [(x, lambda g: g.reshape(x.value.shape))])


def total(x, axis):
    return Var(x.value.sum(axis=axis), [(x, lambda g: np.expand_dims(g, axis) * np.ones_like(x.value))])


def pointwise(x, value, slope):
    return Var(value, [(x, lambda g: g * slope)])


def leaky_relu(x, a):
    return pointwise(x, np.where(x.value > 0, x.value, a * x.value), np.where(x.value > 0, 1.0, a))


def relu(x):
    return leaky_relu(x, 0.0)


def elu(x):
    low = np.minimum(x.value, 0)
    return pointwise(x, np.where(x.value > 0, x.value, np.expm1(low)), np.where(x.value > 0, 1.0, np.exp(low)))


def exp(x):
    return pointwise(x, np.exp(x.value), np.exp(x.value))


def constant(value):
    return Var(np.asarray(value))


class Edges:
    """In-edges of each node with its self-loop, sorted by target, then source: message k flows src[k] -> dst[k]."""

    def __init__(self, indptr, indices, dtype=np.float64, attributes=None):
        """`attributes` [E, D] of the edges of indices; a self-loop gets the mean of its node's others, or zeros."""
        n = len(indptr) - 1
        dst = np.concatenate([np.repeat(np.arange(n), np.diff(indptr)), np.arange(n)])
        src = np.concatenate([indices, np.arange(n)]).astype(np.int64)
        order = np.lexsort((src, dst))
        self.n, self.src, self.dst = n, src[order], dst[order]
        self.first = np.searchsorted(self.dst, np.arange(n))
        row, one = np.arange(len(src)), np.ones(len(src), dtype)
        self.at_src = sp.csr_matrix((one, (row, self.src)), shape=(len(src), n))
        self.at_dst = sp.csr_matrix((one, (row, self.dst)), shape=(len(src), n))
        self.symmetric = False
        if attributes is not None:
            means = [attributes[a:b].sum(axis=0) / max(b - a, 1) for a, b in zip(indptr, indptr[1:])]
            self.attributes = np.concatenate([attributes, means])[order].astype(dtype)
        else:
            self.attributes = None

    def scale(self, rows, ends, power):
        """Rows [N, H, D] times a power of their degree by `ends`, self-loops among them, where the norm is symmetric."""
        if not self.symmetric:
            return rows
        return rows * constant(np.bincount(ends, minlength=self.n).astype(rows.value.dtype)[:, None, None] ** power)

    def softmax(self, score):
        """Coefficients [E, H] over the in-edges of each node."""
        largest = np.maximum.reduceat(score.value, self.first, axis=0)[self.dst]
        e = exp(score + constant(-largest))
        return e / spread(self.at_dst, spread(self.at_dst.T.tocsr(), e))

    def gather(self, alpha, z):
        """Sum over in-edges of alpha [E, H] times z [N, H, D] at the source."""
        message = reshape(alpha, *alpha.value.shape, 1) * spread(self.at_src, z)
        return spread(self.at_dst.T.tocsr(), message)


def mlp_layer(x, p, edges, slope, last):
    return linear(x, p["weight"]) + p["bias"], None


def gcn_layer(x, p, edges, slope, last):
    """Kipf and Welling 2017, equation 2; degrees are in-degrees with the self-loop, at both ends, weighted where edges
    have weights, and that of a self-loop is 1."""
    weight = np.ones(len(edges.dst)) if edges.attributes is None else edges.attributes[:, 0]
    weight = np.where(edges.src == edges.dst, 1, weight).astype(p["bias"].value.dtype)
    degree = np.bincount(edges.dst, weight, minlength=edges.n).astype(p["bias"].value.dtype)
    norm = weight / np.sqrt(degree[edges.src] * degree[edges.dst])
    z = linear(x, p["lin.weight"])
    out = edges.gather(constant(norm[:, None]), reshape(z, edges.n, 1, -1))
    return reshape(out, edges.n, -1) + p["bias"], None


def merge_heads(out, bias, last):
    """[N, H, D] -> [N, H D] concatenated, or [N, D] averaged in the last layer."""
    n, h, d = out.value.shape
    out = total(out, 1) * constant(out.value.dtype.type(1 / h)) if last else reshape(out, n, h * d)
    return out + bias


def edge_terms(p, edges, shape):
    """[E, H, D]: the map of each edge's attributes."""
    return reshape(linear(constant(edges.attributes), p["lin_edge.weight"]), len(edges.dst), *shape)


def gat_layer(x, p, edges, slope, last):
    """Velickovic et al. 2018, equations 1 to 6, with the attention vector split in its two halves; of which the target's
    may be missing."""
    z = reshape(linear(x, p["lin.weight"]), edges.n, *p["att_src"].value.shape[1:])
    target = total(z * p["att_dst"], 2) if "att_dst" in p else None
    z = edges.scale(z, edges.src, -0.5)
    score = spread(edges.at_src, total(z * p["att_src"], 2))
    if target is not None:
        score = score + spread(edges.at_dst, target)
    if edges.attributes is not None:
        score = score + total(edge_terms(p, edges, p["att_src"].value.shape[1:]) * p["att_edge"], 2)
    alpha = edges.softmax(leaky_relu(score, slope))
    return merge_heads(edges.scale(edges.gather(alpha, z), edges.dst, 0.5), p["bias"], last), alpha


def gatv2_layer(x, p, edges, slope, last):
    """Brody et al. 2022, equation 7; lin_l at the source, which is also the message, and lin_r at the target."""
    shape = (edges.n,) + p["att"].value.shape[1:]
    left = reshape(linear(x, p["lin_l.weight"]) + p["lin_l.bias"], *shape)
    right = reshape(linear(x, p["lin_r.weight"]) + p["lin_r.bias"], *shape)
    left = edges.scale(left, edges.src, -0.5)
    both = spread(edges.at_src, left) + spread(edges.at_dst, right)
    if edges.attributes is not None:
        both = both + edge_terms(p, edges, shape[1:])
    alpha = edges.softmax(total(leaky_relu(both, slope) * p["att"], 2))
    return merge_heads(edges.scale(edges.gather(alpha, left), edges.dst, 0.5), p["bias"], last), alpha


def sage_layer(x, p, edges, slope, last):
    """Hamilton et al. 2017, algorithm 1, with the mean over in-neighbours, to which a node itself does not belong."""
    foreign = edges.src != edges.dst
    count = np.bincount(edges.dst[foreign], minlength=edges.n)
    share = (foreign / np.maximum(count, 1)[edges.dst]).astype(p["lin_l.bias"].value.dtype)
    mean = edges.gather(constant(share[:, None]), reshape(linear(x, p["lin_l.weight"]), edges.n, 1, -1))
    return reshape(mean, edges.n, -1) + p["lin_l.bias"] + linear(x, p["lin_r.weight"]), None


LAYERS = {"mlp": mlp_layer, "gcn": gcn_layer, "gat": gat_layer, "gatv2": gatv2_layer, "sage": sage_layer}
ACTIVATIONS = {"elu": elu, "relu": relu}


class Model:
    """A model with its weights on a graph; `dtype` float32 shows what rounding alone does; `attributes` [E, D] or [E] are
    those of edges that it takes."""

    def __init__(self, kind, weights, graph, activation=None, negative_slope=0.2, dtype=np.float64, attributes=None):
        self.kind, self.dtype, self.slope = kind, dtype, dtype(negative_slope)
        self.activation = ACTIVATIONS[activation or ("elu" if kind.startswith("gat") else "relu")]
        self.weights = {name: np.array(w, dtype) for name, w in weights.items()}
        self.graph, self.x = graph, sp.csr_matrix(graph.x, dtype=dtype)
        if attributes is not None and attributes.ndim == 1:
            attributes = attributes[:, None]
        self.edges = Edges(graph.indptr, graph.indices, dtype, attributes)

    def run(self):
        """Parameters, outputs of each layer before its activation, and after it, and attention of each layer."""
        params = {name: Var(w) for name, w in self.weights.items()}
        layers = max(int(name[4:name.index(".")]) for name in params)
        x, outputs, activated, alphas = self.x, [], [], []
        for k in range(1, layers + 1):
            own = {name.split(".", 1)[1]: p for name, p in params.items() if name.startswith(f"conv{k}.")}
            out, alpha = LAYERS[self.kind](x, own, self.edges, self.slope, k == layers)
            outputs.append(out)
            alphas.append(alpha)
            x = self.activation(out)
            activated.append(x)
        return params, outputs, activated, alphas

    def logits(self):
        return self.run()[1][-1].value

    def embedding(self):
        """Input of the last layer; needs two layers at least."""
        return self.run()[2][-2].value

    def attention(self):
        """Coefficients [E', H] of each layer, in the order of self.edges; None where a layer has none."""
        return [alpha and alpha.value for alpha in self.run()[3]]

    def loss_and_gradients(self):
        """Cross-entropy, mean over the training nodes, and its gradient by name."""
        params, outputs, _, _ = self.run()
        nodes = self.graph.train
        pick = np.zeros(outputs[-1].value.shape, self.dtype)
        np.add.at(pick, (nodes, self.graph.labels[nodes]), self.dtype(1 / len(nodes)))
        loss = cross_entropy(outputs[-1], pick)
        backward(loss)
        return float(loss.value), {name: p.grad for name, p in params.items()}

    def train(self, steps, lr, weight_decay):
        """Takes steps of Adam as torch.optim.Adam does, decay added to the gradient; returns the losses before each."""
        beta1, beta2, eps, losses = 0.9, 0.999, 1e-8, []
        first = {name: np.zeros_like(w) for name, w in self.weights.items()}
        second = {name: np.zeros_like(w) for name, w in self.weights.items()}
        for t in range(1, steps + 1):
            loss, gradients = self.loss_and_gradients()
            losses.append(loss)
            for name, w in self.weights.items():
                g = gradients[name] + self.dtype(weight_decay) * w
                first[name] = self.dtype(beta1) * first[name] + self.dtype(1 - beta1) * g
                second[name] = self.dtype(beta2) * second[name] + self.dtype(1 - beta2) * g * g
                root = np.sqrt(second[name]) / self.dtype(np.sqrt(1 - beta2**t)) + self.dtype(eps)
                self.weights[name] = w - self.dtype(lr / (1 - beta1**t)) * first[name] / root
        return np.array(losses)


def cross_entropy(logits, pick):
    """-sum of pick * log softmax(logits)."""
    z = logits.value - logits.value.max(axis=1, keepdims=True)
    log_p = z - np.log(np.exp(z).sum(axis=1, keepdims=True))
    slope = pick.sum(axis=1, keepdims=True) * np.exp(log_p) - pick
    return Var(-(pick * log_p).sum(), [(logits, lambda g: g * slope)])


def random_weights(kind, features, classes, layers=2, hidden=8, heads=8, out_heads=1, seed=0, edge_dim=0):
    """Float32 weights for a model of these sizes, biases not zero so that tests see them."""
    rng, weights, width = np.random.default_rng(seed), {}, features
    attention = kind.startswith("gat")
    for k in range(1, layers + 1):
        last = k == layers
        h, d = (out_heads if last else heads) if attention else 1, classes if last else hidden
        bias = (d if last else h * d,)
        shapes = {
            "mlp": {"weight": (d, width), "bias": (d,)},
            "gcn": {"lin.weight": (d, width), "bias": (d,)},
            "sage": {"lin_l.weight": (d, width), "lin_l.bias": (d,), "lin_r.weight": (d, width)},
            "gat": {"lin.weight": (h * d, width), "att_src": (1, h, d), "att_dst": (1, h, d), "bias": bias},
            "gatv2": {"lin_l.weight": (h * d, width), "lin_l.bias": (h * d,), "lin_r.weight": (h * d, width),
                      "lin_r.bias": (h * d,), "att": (1, h, d), "bias": bias},
        }[kind]
        if attention and edge_dim:
            shapes["lin_edge.weight"] = (h * d, edge_dim)
            shapes.update({"att_edge": (1, h, d)} if kind == "gat" else {})
        for name, shape in shapes.items():
            scale = np.sqrt(6 / (shape[0] + shape[-1])) if len(shape) > 1 else 0.3
            weights[f"conv{k}.{name}"] = rng.uniform(-scale, scale, shape).astype(np.float32)
        width = h * d
    return weights
