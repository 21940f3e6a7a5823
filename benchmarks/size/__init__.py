"""The same size for all three and for a bare program: what it costs in processor time and memory."""
