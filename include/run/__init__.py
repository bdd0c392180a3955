"""The plan, identity, names, inputs and workspace of a run."""
