#!/usr/bin/env python3
"""What the report's pictures count: worked examples by hand, and against scikit-learn."""
import os
import sys
import tempfile
import types
import unittest
from pathlib import Path
from unittest import mock

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import pages  # noqa: E402,F401 (finds the packages)
import program  # noqa: E402
import numpy as np  # noqa: E402
from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: E402
from sklearn import metrics  # noqa: E402

from reporting import accuracy, attention, canvas, compare, dataset, embedding, graph_page, parts, seen, training, tsne  # noqa: E402
from reporting.files import Model, Runs  # noqa: E402

NAMES = ["a", "b", "c"]


def graph_of(degree, labels, **more):
  degree, labels = np.asarray(degree), np.asarray(labels)
  return types.SimpleNamespace(degree=degree, labels=labels, nodes=len(degree), classes=3, class_names=NAMES, **more)


def texts(figure):
  return [text.get_text() for text in figure.axes[0].texts]


class Bars(unittest.TestCase):

  def test_numbers_on_the_axis_do_not_touch(self):
    for top in (0.012, 0.022, 0.05, 0.1, 1, 3, 17, 83.4):
      figure = compare.bars(["a-model-with-a-long-name", "b"], [np.array([0.9, 1]) * top] * 2, "seconds a run", ("C0", 2))
      drawn = FigureCanvasAgg(figure)
      drawn.draw()
      labels = [text for text in figure.axes[0].get_xticklabels() if text.get_text()]
      boxes = [text.get_window_extent(drawn.get_renderer()) for text in labels]
      self.assertGreater(min(right.x0 - left.x1 for left, right in zip(boxes, boxes[1:])), boxes[0].height / 2, top)


class Accuracy(unittest.TestCase):
  GRAPH = graph_of([0, 1, 5, 6, 7, 5], [0, 1, 1, 1, -1, 0])
  PREDICTION = np.array([0, 0, 1, 1, 0, 1])

  def test_each_bar_holds_its_share_and_its_number_of_labelled_nodes(self):
    picture = accuracy.by_degree(self.GRAPH, self.PREDICTION, np.array([2, 3, 4]))
    test, everyone = (figure for _, figure in picture.panels)
    self.assertEqual([bar.get_height() for bar in everyone.axes[0].patches], [100, 0, 0, 0, 0, 50, 100])
    self.assertEqual(texts(everyone), ["100.0\nn=1", "0.0\nn=1", "n=0", "n=0", "n=0", "50.0\nn=2", "100.0\nn=1"])
    self.assertEqual(texts(test)[-2:], ["100.0\nn=1", "100.0\nn=1"])

  def test_a_thousand_nodes_have_room_in_a_bar(self):
    graph = graph_of([1] * 1500, [0] * 1500)
    for _, figure in accuracy.by_degree(graph, np.zeros(1500, int), np.arange(3)).panels[1:]:
      self.assertEqual(texts(figure)[:2], ["0", "100.0\n1,500"])
      figure.draw_without_rendering()
      words, bar = figure.axes[0].texts[1].get_window_extent(), figure.axes[0].patches[1].get_window_extent()
      self.assertTrue(bar.x0 <= words.x0 and words.x1 <= bar.x1, (bar, words))

  def test_names_that_are_cut_stay_apart(self):
    names = ["Diabetes Mellitus Type 1", "Diabetes Mellitus Type 2", "Other"]
    found = canvas.distinct(names, 14)
    self.assertEqual(found, ["Diab…us Type 1", "Diab…us Type 2", "Other"])
    self.assertEqual(canvas.distinct(["Experimental methods", "$a"], 14), ["Experimental …", r"\$a"])

  def test_without_test_nodes_all_stand_alone(self):
    self.assertEqual(len(accuracy.by_degree(self.GRAPH, self.PREDICTION, np.array([], np.int64)).panels), 1)

  def test_figures_of_classes_are_those_of_scikit_learn(self):
    random = np.random.default_rng(1)
    labels, prediction = random.integers(-1, 3, 200), random.integers(0, 3, 200)
    graph, known = graph_of(np.ones(200), labels), labels >= 0
    ids = np.arange(200)
    np.testing.assert_array_equal(accuracy.confusion_matrix(graph, prediction, ids),
                                  metrics.confusion_matrix(labels[known], prediction[known]))
    expected = metrics.precision_recall_fscore_support(labels[known], prediction[known])
    found = accuracy.class_rows(graph, prediction, ids)
    for k in range(3):
      self.assertEqual(found[k], (NAMES[k], str(expected[3][k]), *(f"{100 * value[k]:.1f}" for value in expected[:3])))
    self.assertEqual(found[3][2:], tuple(f"{100 * value.mean():.1f}" for value in expected[:3]))

  def test_the_most_frequent_mistake_is_named(self):
    graph, prediction = graph_of([1] * 5, [0, 1, 1, 1, 2]), np.array([0, 2, 2, 1, 0])
    picture = accuracy.confusion(graph, prediction, np.arange(5), "test nodes")
    self.assertIn("to take b for c: 2 of 3 nodes", picture.words)
    self.assertIn("Of 1 test node,", accuracy.confusion(graph, prediction, np.array([0]), "test nodes").words)

  def test_numbers_of_many_classes_do_not_touch(self):
    for classes in (21, 47, 200):
      graph = graph_of(np.ones(classes), range(classes))
      graph.classes, graph.class_names = classes, [f"class {k}" for k in range(classes)]
      figure = accuracy.confusion(graph, np.arange(classes), np.arange(classes), "nodes").panels[0][1]
      drawn = FigureCanvasAgg(figure)
      drawn.draw()
      boxes = [text.get_window_extent(drawn.get_renderer()) for text in figure.axes[0].get_xticklabels()]
      self.assertGreater(len(boxes), 6)
      self.assertGreater(min(right.x0 - left.x1 for left, right in zip(boxes, boxes[1:])), 2, classes)


class Degrees(unittest.TestCase):
  def test_bars_are_linear_and_the_rest_stands_in_the_last(self):
    degree = [1] * 6 + [2] * 3 + [20] + [21] * 4 + [300]
    picture = dataset.degree_picture(graph_of(degree, [0] * len(degree)))
    axes = picture.panels[0][1].axes[0]
    self.assertEqual((axes.get_xscale(), axes.get_yscale()), ("linear", "linear"))
    heights = [bar.get_height() for bar in axes.patches]
    self.assertEqual((heights[1], heights[2], heights[20], heights[21], sum(heights)), (6, 3, 1, 5, len(degree)))
    self.assertIn("60.0 % of the nodes have one or two", picture.words)

  def test_few_degrees_have_a_bar_each(self):
    picture = dataset.degree_picture(graph_of([0, 0, 1, 3], [0] * 4))
    self.assertEqual([bar.get_height() for bar in picture.panels[0][1].axes[0].patches], [2, 1, 0, 1])
    self.assertIn("2 nodes have no neighbour", picture.words)
    self.assertIn("the most linked node has 3", picture.words)

  def test_nobody_has_a_neighbour(self):
    picture = dataset.degree_picture(graph_of([0, 0, 0], [0] * 3))
    self.assertIn("the most linked node has 0", picture.words)
    ticks = picture.panels[0][1].axes[0].get_yticks()
    np.testing.assert_array_equal(ticks, np.round(ticks))

  def test_homophily_counts_edges_with_known_ends(self):
    graph = graph_of([2, 1, 1], [0, 0, -1], edges=4, sources=np.array([1, 2, 0, 0]))
    self.assertEqual(dataset.homophily(graph), 1)
    graph.labels = np.array([0, 1, 0])
    self.assertEqual(dataset.homophily(graph), 0.5)


class Training(unittest.TestCase):
  def test_cross_entropy_and_accuracy_of_labelled_nodes(self):
    logits, labels = np.array([[2.0, 0.0], [0.0, 1.0], [5.0, 5.0]]), np.array([0, 0, -1])
    loss, share = training.evaluate(logits, labels, np.arange(3))
    shares = np.exp(logits[:2]) / np.exp(logits[:2]).sum(axis=1, keepdims=True)
    self.assertAlmostEqual(loss, metrics.log_loss([0, 0], shares, labels=[0, 1]))
    self.assertEqual(share, 0.5)

  def test_curves_begin_at_epoch_0(self):
    history = {"epoch": np.arange(1, 4), "train_loss": np.array([3.0, 2, 1]), "train_acc": np.zeros(3),
               "val_loss": np.array([np.nan, np.nan, 1.5]), "val_acc": np.full(3, np.nan)}
    self.assertEqual([list(x) for x in training.curve(history, "train", "loss", (9, 9), 0)], [[0, 1, 2], [3, 2, 1]])
    self.assertEqual([list(x) for x in training.curve(history, "val", "loss", (4, 0), 0)], [[0, 3], [4, 1.5]])
    model = types.SimpleNamespace(history=history)
    rows = training.log_rows(model, {"train": (2.9, 0.1), "val": (4, 0.2)})
    self.assertEqual(rows[0], (0, 2.9, 0.1, 4, 0.2))
    self.assertEqual([row[0] for row in rows], [0, 3])

  def test_losses_of_another_kind_do_not_begin_as_cross_entropy(self):
    """Accuracies do; validation and its curve have the losses that training had."""
    logits, labels = np.array([[2.0, 0.0], [0.0, 1.0]]), np.array([0, 0])
    graph, split = graph_of([1, 1], labels), {"train": np.array([0]), "val": np.array([1]), "test": np.array([], np.int64)}
    told = training.evaluate(logits, labels, split["val"])
    for loss, known in ((told[0], True), (told[0] * 0.5, False), (None, True)):
      model = types.SimpleNamespace(result={"val_loss": loss})
      start = seen.begin(graph, model, {"logits": logits}, {"logits": logits}, split)
      self.assertEqual((start["val"][1], start["test"]), (told[1], None))
      self.assertEqual(np.isfinite(start["val"][0]), known)
    history = {"epoch": np.arange(1, 3), "val_loss": np.array([3.0, 2])}
    self.assertEqual([list(x) for x in training.curve(history, "val", "loss", (np.nan, 0.5), 0)], [[1, 2], [3, 2]])

  def test_models_are_printed_by_the_shapes_of_their_weights(self):
    shapes = {"conv1.lin.weight": (64, 10), "conv1.att_src": (1, 8, 8), "norm1.weight": (64,),
              "norm1.running_mean": (64,), "conv2.lin.weight": (24, 64), "conv2.att_src": (1, 8, 3), "conv2.res.weight": (3, 64),
              "conv1.lin_edge.weight": (64, 2)}
    model = types.SimpleNamespace(kind="gat", layers=2, shapes=shapes, has_attention=True, parameters=5)
    self.assertEqual(training.printed(model).splitlines(),
                     ["GAT(", "  (conv1): GATConv(10, 8, heads=8, edge_dim=2)", "  (norm1): BatchNorm(64)",
                      "  (conv2): GATConv(64, 3, heads=8, concat=False, residual=True)", ")", "5 parameters"])

  def test_options_that_change_nothing_are_not_told(self):
    options = {"model": "gcn", "heads": 1, "negative_slope": 0.2, "residual": 0, "norm": "none", "use_labels": 0.5, "graph": "g"}
    model = types.SimpleNamespace(options=options, result={"epochs": 3}, path=Path(__file__), has_attention=False)
    self.assertEqual([name for name, _ in graph_page.facts(model)], ["model", "use labels", "epochs", "saved"])
    model.has_attention, options["residual"] = True, 1
    told = dict(graph_page.facts(model))
    self.assertEqual((told["heads"], told["residual"], told["negative slope"]), (1, "on", 0.2))

  def test_running_statistics_are_no_parameters(self):
    model = Model.__new__(Model)
    model.shapes = {"conv1.lin.weight": (64, 10), "norm1.weight": (64,), "norm1.running_mean": (64,), "norm1.running_var": (64,)}
    self.assertEqual(model.parameters, 64 * 10 + 64)


class Compare(unittest.TestCase):
  def runs(self, name, *accuracies):
    return Runs(name, "gcn", [{"test_acc": value, "seconds": 1.0} for value in accuracies])

  def test_bars_are_means_and_tell_their_deviation(self):
    figure = compare.picture([self.runs("one", 0.7, 0.8), self.runs("two", 0.9)]).panels[0][1]
    self.assertEqual([round(bar.get_width(), 6) for bar in figure.axes[0].patches], [75, 90])
    self.assertEqual(texts(figure), ["75.0 ± 7.1", "90.0"])

  def test_a_lead_within_the_deviation_is_no_lead(self):
    words = compare.picture([self.runs("one", 0.70, 0.80), self.runs("two", 0.72, 0.82)]).words
    self.assertIn("no real lead", words)
    self.assertNotIn("no real lead", compare.picture([self.runs("one", 0.1, 0.2), self.runs("two", 0.8, 0.9)]).words)

  def test_none_is_best_of_equals(self):
    words = compare.picture([self.runs("one", 0.5), self.runs("two", 0.5)]).words
    self.assertIn("one and two are equally good", words)
    self.assertNotIn("Best", words)


class Attention(unittest.TestCase):
  def test_entropy_is_1_where_even_and_0_where_one_has_all(self):
    targets = np.array([0, 0, 0, 0, 1, 1, 2])
    alpha = np.array([0.25, 0.25, 0.25, 0.25, 1, 0, 1])[:, None]
    np.testing.assert_allclose(attention.evenness(targets, alpha, 3)[:, 0], [1, 0, np.nan], atol=1e-12)

  def test_a_neighbourhood_has_all_coefficients(self):
    graph = graph_of([2, 1, 0], [0, 1, 2], node_name=str)
    after = {"attention/conv1/src": np.array([0, 1, 2, 1, 0]), "attention/conv1/dst": np.array([0, 0, 0, 1, 1]),
             "attention/conv1/alpha": np.array([[0.5, 0.1], [0.3, 0.3], [0.2, 0.6], [1, 1], [0, 0]])}
    self.assertEqual(attention.choose_node(graph, after, np.array([0])), 1)  # no node has as many as an example should
    picture = attention.neighbourhood(graph, after, 0)
    star, field = (figure for _, figure in picture.panels)
    self.assertEqual(sorted(texts(star)), ["0.30", "0.40", "1", "2", "itself 0.30"])
    self.assertEqual(texts(field), ["50", "30", "20", "10", "30", "60"])
    self.assertIn("attends most to node 2 (0.40), though its class is another", picture.words)


class Parts(unittest.TestCase):
  def test_halo_rows_are_counted_once_for_each_part_that_needs_them(self):
    # 0 - 1 | 2 - 3, and node 1 is a neighbour of both 2 and 3
    targets, sources = np.array([0, 1, 1, 1, 2, 2, 3, 3]), np.array([1, 0, 2, 3, 1, 3, 1, 2])
    graph = types.SimpleNamespace(sources=sources, targets=targets)
    np.testing.assert_array_equal(parts.halo(graph, np.array([0, 0, 1, 1]), 2), [[0, 1], [2, 0]])


class Tsne(unittest.TestCase):
  def test_words_are_of_this_graph(self):
    """Neighbours of one class are told of where most are; colours where a node has one class."""
    model, near = types.SimpleNamespace(kind="gat"), {"before": 0.5, "after": 0.6}
    graph = graph_of([1, 1], [0, 0], edges=2, sources=np.array([1, 0]), matrix=None)
    self.assertIn("which mostly have its class", embedding.words(graph, model, 2, "logits", near))
    graph.labels = np.array([0, 1])
    self.assertNotIn("which mostly have its class", embedding.words(graph, model, 2, "logits", near))
    self.assertIn("in the colour of its true class", embedding.words(graph, model, 2, "logits", near))
    graph.labels, graph.matrix = np.array([-1, -1]), np.ones((2, 3))
    self.assertNotIn("in the colour", embedding.words(graph, model, 2, "logits", near))
  def test_large_graphs_are_sampled(self):
    """All of the tutorial's Cora and CiteSeer are drawn; of a sample each node stands once, the same ones each time."""
    for nodes, limit, count in ((3327, None, 3327), (3500, None, 3500), (3501, None, 2500), (19717, None, 2500),
                                (19717, 10000, 10000), (100, 100, 100), (100, 10, 10), (100, 0, 0)):
      chosen = embedding.sample(types.SimpleNamespace(nodes=nodes), limit)
      self.assertEqual((len(chosen), len(set(chosen.tolist()))), (count, count))
      self.assertTrue((np.diff(chosen) > 0).all() and (not count or chosen[-1] < nodes))
      np.testing.assert_array_equal(embedding.sample(types.SimpleNamespace(nodes=nodes), limit), chosen)

  def test_agreement_is_the_share_of_the_nearest_with_the_same_class(self):
    place = np.concatenate([np.random.default_rng(0).normal(size=(20, 2)) + shift for shift in (0, 100)])
    self.assertEqual(embedding.agreement(place, np.repeat([0, 1], 20)), 1)
    self.assertLess(embedding.agreement(place, np.tile([0, 1], 20)), 0.7)
    self.assertIsNone(embedding.agreement(place, np.full(40, -1)))

  def test_what_was_made_before_is_kept_and_damage_is_made_anew(self):
    matrix, told = np.random.default_rng(0).normal(size=(30, 4)).astype(np.float32), []
    with tempfile.TemporaryDirectory() as folder, mock.patch.dict(os.environ, XDG_CACHE_HOME=folder):
      self.assertIsNone(tsne.recall(matrix))
      places = np.arange(60.0).reshape(30, 2)
      tsne.keep(matrix, places)
      np.testing.assert_array_equal(tsne.project_all({("a",): matrix}, told.append)[("a",)], places)
      self.assertIsNone(tsne.recall(matrix + 1))
      tsne.file_of(matrix).write_bytes(b"\x93NUMPY")
      self.assertIsNone(tsne.recall(matrix))
    with mock.patch.dict(os.environ, XDG_CACHE_HOME=str(Path(os.devnull, "no"))):
      tsne.keep(matrix, places)  # a folder that cannot be made is no failure

  def test_what_cannot_be_placed_has_no_place(self):
    places = tsne.project_all({("few",): np.zeros((3, 2)), ("lost",): np.full((9, 2), np.nan)}, print)
    self.assertEqual(places, {("few",): None, ("lost",): None})


if __name__ == "__main__":
  program.main()
