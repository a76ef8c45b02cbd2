"""The page of report.py: a graph and the models trained on it."""
import datetime
import json
import os

from . import accuracy, attention, compare, dataset, embedding, parts, training
from .files import Failure, Graph, Model, Program, say
from .page import Page
from .seen import look, place, tested

TOLD = ("graph", "graph_fingerprint", "num_classes", "num_features")  # elsewhere on the page
OF_ATTENTION = ("attention_dropout", "attention_target", "edge_dropout", "heads", "message_dropout", "negative_slope", "out_heads",
                "symmetric_norm")
UNUSED = {"edge_attributes": "none", "edge_dropout": 0, "label_iterations": 0, "message_dropout": 0, "norm": "none",
          "residual": 0,
          "symmetric_norm": 0, "table_type": "f32", "use_labels": 0,
          "attention_target": "on"}  # what changes nothing is not told
SWITCHES = ("residual", "symmetric_norm")


def make(arguments):
  """`arguments`: what report.py was given."""
  if not arguments.out.absolute().parent.is_dir():
    raise Failure(f"{arguments.out}: its folder does not exist")
  if arguments.pictures:
    arguments.pictures.mkdir(parents=True, exist_ok=True)
  graph, models = Graph(arguments.graph), unique([Model(path) for path in arguments.models])
  compare.add_logs(models, arguments.logs)
  models = compare.join_seeds(models)
  program = Program(arguments.distgat)
  say(f"{graph.name}: {graph.nodes:,} nodes, {graph.edges:,} edges")
  seen = look(graph, models, program)
  chosen, places = place(graph, seen, arguments.tsne_nodes)
  page = Page(f"{graph.name}: distgat report", arguments.pictures)
  page.note(f"Graph {arguments.graph.name}; models: {', '.join(model.path.name for model in models)}.")
  page.contents()
  add_graph(page, graph, program, seen)
  add_comparison(page, graph, models)
  for one in seen:
    say(f"pictures of {one.model.path.name}")
    add_model(page, graph, one, (chosen, places), arguments.node)
  add_parts(page, graph, seen, program)
  add_colophon(page, program)
  page.write(arguments.out)
  say(f"{arguments.out}: written")


def unique(models):
  """Models of the same file name get their folders' names too."""
  names = [model.name for model in models]
  for model in models:
    if names.count(model.name) > 1:
      model.name = f"{model.path.absolute().parent.name}/{model.name}"
  for number, model in enumerate(models):
    if any(model.name == other.name for other in models[:number]):
      model.name += f" ({number + 1})"
  return models


def add_graph(page, graph, program, seen):
  page.section("Data set")
  known = json.loads(program.ask("info", graph.path, "--json"))
  page.card(dataset.card(graph, known.get("fingerprint")))
  split = seen[0].split
  page.table("Classes", ("class", "nodes", "train", "validate", "test"), dataset.class_rows(graph, split))
  page.picture(dataset.degree_picture(graph), graph.name)


def add_comparison(page, graph, models):
  page.section("Models side by side")
  page.table("Results", compare.COLUMNS, compare.rows(models))
  page.picture(compare.picture(models), graph.name)


def add_model(page, graph, one, drawn, node):
  """`drawn`: nodes of the t-SNE, and their places; `node`: the name of the one whose neighbours are shown, or None."""
  model = one.model
  page.section(model.title)
  page.printed(training.printed(model))
  page.card(facts(model))
  page.picture(training.curves(model, one.start), model.name)
  add_embeddings(page, graph, one, drawn)
  if graph.matrix is None:
    add_accuracy(page, graph, one, model)
  add_attention(page, graph, one, node)


def add_accuracy(page, graph, one, model):
  page.picture(accuracy.by_degree(graph, one.after["prediction"], one.test), model.name)
  ids, which = tested(one, graph)
  page.picture(accuracy.confusion(graph, one.after["prediction"], ids, which), model.name)
  page.table(f"Classes, {which}", ("class", "nodes", "precision %", "recall %", "F1 %"),
             accuracy.class_rows(graph, one.after["prediction"], ids))


def facts(model):
  """Options and how the run ended."""
  result = model.result
  told = {name: value for name, value in sorted(model.options.items()) if name not in TOLD and value != UNUSED.get(name)}
  rows = [(name.replace("_", " "), "on" if name in SWITCHES else value) for name, value in told.items()
          if model.has_attention or name not in OF_ATTENTION]
  for key, name in (("seed", "seed"), ("epochs", "epochs"), ("stop_reason", "stopped"), ("best_epoch", "weights of "
                                                                                                       "epoch"),
                    ("ranks", "ranks"), ("threads", "threads a rank")):
    if result.get(key) is not None:
      rows.append((name, result[key]))
  saved = datetime.datetime.fromtimestamp(model.path.stat().st_mtime).strftime("%Y-%m-%d %H:%M")
  return [*rows, ("saved", saved)]


def add_embeddings(page, graph, one, drawn):
  chosen, places = drawn
  made = [embedding.picture(graph, one.model, places, chosen, space) for space, _ in embedding.SPACES]
  for picture in made:
    page.picture(picture, one.model.name)
  if not any(made):
    page.note("No t-SNE: fewer than five nodes, or embeddings that are not finite.")
  elif one.model.layers < 2:
    page.note("A model of one layer has no hidden layer to draw.")


def add_attention(page, graph, one, node):
  if not one.model.has_attention:
    return
  if not attention.layers(one.after):
    page.note(f"Attention is left out: the graph has more than {attention.MOST_EDGES:,} edges.")
    return
  picture = attention.entropy(graph, one.after)
  page.picture(picture, one.model.name)
  if picture is None:
    page.note("No attention: no node has a neighbour, or coefficients are not finite.")
    return
  chosen = attention.choose_node(graph, one.after, one.test) if node is None else graph.find_node(node)
  page.picture(attention.neighbourhood(graph, one.after, chosen), one.model.name)


def add_parts(page, graph, seen, program):
  page.section("Partition and communication")
  models = [one.model for one in seen]
  number = parts.count(graph, models)
  if number:
    say(f"partition in {number} parts")
    owner, quality = program.divide(graph, number, *parts.options(graph, seen))
    trained = any(model.result.get("ranks") == number for model in models)
    page.picture(parts.picture(graph, owner, quality, trained), graph.name)
  page.table("Communication", ("model", "ranks", "threads", "halo MB an epoch", "ms a step", "memory MB"),
             parts.communication_rows(models))


def add_colophon(page, program):
  page.section("About this page")
  version, *libraries = program.version()
  page.card([("made", today()), ("version", version), *(line.split(": ", 1) for line in libraries if ": " in line)])
  page.note("Made by jobs/report.py, which writes each picture as SVG and PNG too with --pictures FOLDER.")


def today():
  """The day, or that of SOURCE_DATE_EPOCH."""
  given = os.environ.get("SOURCE_DATE_EPOCH")
  now = datetime.datetime.fromtimestamp(int(given), datetime.timezone.utc) if given else datetime.datetime.now()
  return now.strftime("%Y-%m-%d")
