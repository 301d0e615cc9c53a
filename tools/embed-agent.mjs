// placeholder, replaced by the host agent's embedding step
