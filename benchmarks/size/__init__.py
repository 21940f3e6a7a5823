"""The same size for all three packages and for a bare program: the cost in processor time and memory."""
