"""Readers of foreign graph formats: each returns a graph.Graph."""
