"""Read a checkpoint's files: names, headers, byte ranges and tensors."""
