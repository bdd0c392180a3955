"""The configuration files of the models."""
