"""Excel workbooks as rows: one sheet, its names of columns, and each row below them.

A cell that has no certain value makes its row a bad row, named by its address.
"""
