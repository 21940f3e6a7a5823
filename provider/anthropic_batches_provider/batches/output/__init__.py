"""Turns answered rows into the output of a task: formats, part files, XCom, counts, manifest, publishing.

Invariants: nothing is published unless all of it is complete. The manifest is written last and names everything that
counts. Files of the previous manifest stay untouched until the new one is in place.

Some of these modules are imported when a DAG is parsed, so this one imports nothing.
"""
