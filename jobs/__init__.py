"""The pipeline's edge: its steps, applications and commands, and the servers and files they use."""
