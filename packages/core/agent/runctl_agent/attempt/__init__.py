"""One attempt's life: the supervisor's loop, what it watches, how it ends."""
