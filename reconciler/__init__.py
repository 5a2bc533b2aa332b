"""`ureg`: keeps a registry of components true to what a git repository says.

The layers, from the bottom: model (values), ports (what stands outside), compiler and planner (pure), then the
adapters and the engine, and on top the commands. docs/architecture.md shows the way of the data through them.
"""

__version__ = "0.1.0"
