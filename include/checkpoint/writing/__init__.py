"""Write the files of a checkpoint: overlays, folders, and room on the disk."""
