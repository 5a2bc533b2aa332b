"""What makes the daemon look again: files that change, a branch that moves, a hook that is called."""
