"""Searches on a clock that a cost model moves: the engine is the real one, and nothing is computed."""
