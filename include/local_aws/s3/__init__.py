"""What moto's S3 lacks: integrity checks, preconditions, ranges, and objects that are never in memory as a whole."""
