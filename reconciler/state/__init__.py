"""Where the recorded state is kept: the store, its lock, its journal and its SQL."""
