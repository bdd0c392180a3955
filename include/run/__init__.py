"""What a run is: its plan, identity, names, inputs and workspace."""
