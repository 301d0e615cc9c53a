"""From the claim to the command line: code, inputs, environment, container."""
