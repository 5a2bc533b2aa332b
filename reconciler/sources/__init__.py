"""Where the desired state comes from: the files of a work tree, read safely, and what is kept of them between runs."""
