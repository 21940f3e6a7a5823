"""``anthropic-batches demo``: the one-task form in an Airflow of its own, against the simulator, from the wheel alone.

Invariants: it spends nothing, does not touch the user's Airflow, and leaves no process, however it ends. This process
never imports Airflow, which would read the user's ``AIRFLOW_HOME``.
"""
