"""Anthropic Message Batches for Apache Airflow: rows in, answers out, nothing paid twice, nothing lost.

These modules are for you to import. All others are private and may change with any release.

- ``operators``: submit rows, collect results, cancel batches, or all in one task
- ``sensors``: wait until batches have ended
- ``decorators``: ``@task.message_batch``, which Airflow finds by itself
- ``hooks``: every call of the Message Batches API, with an Airflow connection
- ``triggers``, ``start_triggers``: how the others wait; for operators of your own
- ``event_triggers``: DAGs that run when batches end
- ``links``: the link from a task to the Claude Console
- ``errors``: what all of these raise
- ``simulator``: a local Message Batches API for tests, with a pytest fixture
"""

__version__ = "0.1.0"
