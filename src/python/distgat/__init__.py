"""Trains graph attention networks with distgat from Python."""

__version__ = "0.1.0"
