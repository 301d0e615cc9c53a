"""The supervisor that runs beside the training on its host. Python 3.8+, standard library only."""
