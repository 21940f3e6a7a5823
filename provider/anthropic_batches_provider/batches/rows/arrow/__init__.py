"""Arrow's tables as rows: Parquet, Arrow and Feather files, and frames in memory.

Each value is exact, or its row is refused, whatever else is installed. pyarrow is imported only when rows are read.
"""
