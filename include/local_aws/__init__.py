"""A stand-in for AWS: moto's server, a guard before S3 and our own Bedrock, in one process on loopback."""
