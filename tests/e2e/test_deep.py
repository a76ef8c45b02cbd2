#!/usr/bin/env python3
"""Models deeper than a byte counts: what is left out of a training step is exact, and they predict."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import science  # noqa: E402,F401 (finds numpy and h5py)

import graphs  # noqa: E402
import program  # noqa: E402


class Deep(program.Case):
    def test_as_many_layers_as_wanted(self):
        graph, model = self.path("graph.h5"), self.path("model.h5")
        graphs.random_graph(20, dense=True, isolated=2, seed=5).write(graph)
        for layers in (254, 255, 256, 300):
            for ranks in (None, 2):
                said = {}
                for prune in ("on", "off"):
                    log = self.path("log")
                    program.distgat("train", graph, "--model", "gcn", "--layers", layers, "--hidden", 4, "--dropout", 0,
                                    "--epochs", 2, "--prune", prune, "--quiet", "--log", log, "--save", model,
                                    ranks=ranks)
                    said[prune] = program.losses(log)
                with self.subTest(layers=layers, ranks=ranks):
                    self.assertEqual(len(said["on"]), 2)
                    for on, off in zip(said["on"], said["off"]):
                        self.assertGreater(on, 0.5)  # near log 3: 0 where no row was left
                        self.assertAlmostEqual(on, off, delta=1e-5)
                    program.distgat("predict", graph, "--model-file", model, "--out", self.path("out.h5"), ranks=ranks)


if __name__ == "__main__":
    program.main()
