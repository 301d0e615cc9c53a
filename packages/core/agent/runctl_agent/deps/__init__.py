"""The Python that the training runs with, and its packages."""
