"""One module a command. Each reads its flags, calls an operation of the engine and hands the result to a renderer."""
