"""The page of tutorial.sh: the tutorial's steps on each graph, and its table with several seeds."""
from pathlib import Path

from . import accuracy, compare, dataset, embedding, training
from .canvas import Picture
from .files import Graph, Model, Program, Runs, read_log, say
from .graph_page import today
from .page import Page
from .seen import look, place

KINDS = {"mlp": "MLP", "gcn": "GCN", "gat": "GAT", "gatv2": "GATv2"}
SHOWN = ("gcn", "gatv2")  # the two that the tutorial trains
PUBLISHED = {"mlp": (55.1, 46.5, 71.4), "gcn": (81.5, 70.3, 79.0), "gat": (83.0, 72.5, 79.0)}
TUTORIAL = {"gcn": (67.7, 32.4), "gatv2": (70.0, 55.9)}  # its one run on CiteSeer: test accuracy, seconds
COLUMNS = ("graph", "model", "test accuracy, %", "published, %", "seconds per run")
LOG_COLUMNS = ("epoch", "train loss", "train %", "val loss", "val %")

INTRODUCTION = (
  "A citation graph has papers for nodes and citations for edges; the words of a paper are its features, its field is "
  "its class. Few papers are labelled, and the others are to be told from their words and from the papers that they "
  "are linked with.",
  "A graph convolution (GCN) mixes a node with its neighbours by fixed weights, which depend on their numbers of "
  "neighbours alone. A graph attention network (GAT) learns for each edge how much the neighbour counts: a score from "
  "the two nodes' features, made positive and made to sum to one over the neighbourhood by a softmax, in several "
  "heads whose results are laid side by side. GATv2 puts its learned vector after the nonlinearity instead of before "
  "it, so that the order of the neighbours may differ from node to node.")
MODELS = ("Both models have two layers. The GCN has 16 hidden units; the GATv2 has 8 heads of 8, and one head that gives "
          "the classes. Both are trained for {epochs} steps on all nodes at once, by Adam, and the log has a line for "
          "every tenth.")
LOG = ("Epoch 0 is the model before any step, evaluated without dropout. Then training figures are those of the step's "
       "own pass, dropout on, and validation figures those of a pass without dropout after it.")


def make(arguments):
  """`arguments`: what tutorial_page.py was given. The same is told on standard output, in Markdown."""
  program, page = Program(arguments.distgat), Page("Graph attention networks on citation graphs")
  print("# Graph attention networks on citation graphs")
  for words in INTRODUCTION:
    page.say(words)
  page.contents()
  results = []
  for number, name in enumerate(arguments.graphs):
    graph, folder = Graph(arguments.data / f"{name}.h5"), arguments.out / name
    runs = {kind: read_log(folder / f"{kind}.jsonl") for kind in KINDS}
    models = [Model(folder / f"{kind}.h5") for kind in SHOWN]
    results.append((graph, runs))
    seen = look(graph, models, program)
    page.section(graph.name)
    add_graph(page, graph, program)
    add_models(page, graph, seen, first=number == 0)
    add_pictures(page, graph, seen, arguments.tsne_nodes)
    page.add(f'<p>Everything on these two models, attention among it: <a href="{name}.html">{name}.html</a>.</p>')
  add_results(page, results, arguments.ranks)
  page.note(f"{today()}, {program.version()[0]}; made by jobs/tutorial.sh.")
  page.write(arguments.out / "tutorial.html")
  say(f"{arguments.out / 'tutorial.html'}: written")


# One graph

def print_out(graph):
  isolated = int((graph.degree == 0).sum())
  rows = [f"Dataset: {graph.name}", "-" * (9 + len(graph.name)), "Number of graphs: 1", "Number of nodes: "
                                                                                        f"{graph.nodes}",
          f"Number of edges: {graph.edges} (directed)", f"Number of features: {graph.features}", "Number of classes: "
                                                                                                 f"{graph.classes}",
          f"Has isolated nodes: {isolated > 0}" + (f" ({isolated})" if isolated else "")]
  for part, name in (("train", "training"), ("val", "validation"), ("test", "test")):
    rows.append(f"Number of {name} nodes: {len(graph.split('public')[part])}")
  return "\n".join(rows)


def tell(heading, text):
  print(f"\n{heading}\n\n```\n{text.rstrip()}\n```")


def add_graph(page, graph, program):
  page.printed(print_out(graph))
  tell(f"## {graph.name}", program.ask("info", graph.path))
  page.picture(dataset.degree_picture(graph), graph.name)


def add_models(page, graph, seen, first):
  page.heading("GCN and GATv2")
  if first:
    page.say(MODELS.format(epochs=seen[0].model.result["epochs"]))
  for one in seen:
    lines = log_lines(one)
    page.printed(training.printed(one.model))
    page.table(f"{KINDS[one.model.kind]}, training", LOG_COLUMNS, [row for row, _ in lines])
    if first and one is seen[0]:
      page.note(LOG)
    closing = (f"{KINDS[one.model.kind]} test accuracy: {100 * one.model.result['test_acc']:.2f} %\n"
               f"Wall time: {one.model.result['seconds']:.2f} s")
    page.printed(closing)
    told = [training.printed(one.model), *(line for _, line in lines), closing]
    tell(f"{KINDS[one.model.kind]}, one run:", "\n".join(told))
  page.say(duel(graph, seen))
  page.picture(training.curves(seen[-1].model, seen[-1].start), graph.name)


def log_lines(one):
  """Each line of the log, as cells and as text."""
  found = []
  for epoch, train_loss, train_acc, val_loss, val_acc in training.log_rows(one.model, one.start):
    figures = f"{train_loss:.3f}", f"{100 * train_acc:.2f}", f"{val_loss:.3f}", f"{100 * val_acc:.2f}"
    found.append(((epoch, *figures), f"Epoch {epoch:3} | Train Loss: {figures[0]} | Train Acc: {figures[1]:>6} % | "
                                     f"Val Loss: {figures[2]} | Val Acc: {figures[3]:>6} %"))
  return found


def duel(graph, seen):
  gcn, gat = (one.model.result for one in seen)
  words = (f"In this one run GCN reaches {100 * gcn['test_acc']:.1f} % of the test nodes in {gcn['seconds']:.2f} s, "
           f"GATv2 {100 * gat['test_acc']:.1f} % in {gat['seconds']:.2f} s. One run is a matter of luck; the table at "
           "the end has many.")
  if graph.name.lower() == "citeseer":
    words += (" The tutorial's own single runs gave {0[0]} % in {0[1]} s and {1[0]} % in {1[1]} s on its author's "
              "computer."
              .format(*TUTORIAL.values()))
  return words


def add_pictures(page, graph, seen, limit):
  """Of GATv2 both t-SNE pictures, and of both models the accuracy by degree."""
  gat = seen[-1]
  chosen, places = place(graph, [gat], limit, ("logits",))
  page.picture(embedding.picture(graph, gat.model, places, chosen, "logits"), graph.name)
  for one in seen:
    made = accuracy.by_degree(graph, one.after["prediction"], one.test)
    page.picture(named(made, KINDS[one.model.kind]), graph.name)


def named(picture, of):
  return picture and Picture(f"{picture.title}, {of}", picture.words, picture.panels)


# All graphs

def result_rows(results):
  """The table's rows, of all graphs and models."""
  rows = []
  for graph, runs in results:
    for kind, found in runs.items():
      model = Runs(KINDS[kind], kind, found)
      rows.append((graph.name, KINDS[kind], compare.spread(model.values("test_acc"), 100), published(graph, kind),
                   f"{model.values('seconds').mean():.2f}"))
  return rows


def published(graph, kind):
  names = ("cora", "citeseer", "pubmed")
  return PUBLISHED[kind][names.index(graph.name)] if kind in PUBLISHED and graph.name in names else "–"


def add_results(page, results, ranks):
  count = len(results[0][1]["gcn"])
  words = f"Mean and standard deviation of {count} runs, {ranks} MPI rank(s), public split."
  source = ("Published: MLP and GCN by Kipf and Welling (2017), GAT by Veličković et al. (2018), each with its own "
            "settings; the models here have those of the tutorial, whose single run on CiteSeer gave 67.7 (GCN) and "
            "70.0 (GATv2).")
  page.section("MLP, GCN and GAT beside the published figures")
  page.say(f"{words} The MLP sees no edges: what it lacks is what the graph adds.")
  rows = result_rows(results)
  page.table("Test accuracy", COLUMNS, rows)
  page.say(source)
  print(f"\n## Results\n\n{words}\n\n| {' | '.join(COLUMNS)} |\n|{' --- |' * len(COLUMNS)}")
  for row in rows:
    print(f"| {' | '.join(map(str, row))} |")
  print(f"\n{source}", flush=True)
  for graph, runs in results:
    made = compare.picture([Runs(KINDS[kind], kind, found) for kind, found in runs.items()])
    page.picture(named(made, graph.name), graph.name)
