"""Baselines that are more than a new combination: one file each.

A baseline that only combines schedule, sharing, order and cache policy is YAML alone:
``conf/strategy/<name>.yaml``. One that differs in ``rounds`` (which models see which data) or in ``plan`` (what is
computed, kept and released) is a subclass of :class:`~alsatian.searching.strategy.Strategy` here, which its YAML
names as ``_target_``.
"""
