"""From answered rows to what a task leaves behind: formats, part files, XCom, counts, manifest, publishing.

Invariants: nothing is published unless all of it is whole; the manifest is written last and names everything that
counts; what the previous manifest names stays untouched until the new one is in place.

Some of these modules are imported when a DAG is parsed, so that this one imports nothing.
"""
