"""What moto's S3 leaves out: integrity checks, preconditions, ranges, and objects that never lie in memory whole."""
