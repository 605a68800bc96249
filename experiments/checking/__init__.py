"""Whether a strategy, order, cache policy, schedule or proxy does what every search relies on.

A suite has cases, small ones first, and judges each by properties; what fails is shrunk to the smallest case that
still fails. See :mod:`experiments.checking.suite`.
"""
