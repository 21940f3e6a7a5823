"""Anthropic Message Batches for Apache Airflow: rows in, answers out, nothing paid for twice, nothing lost.

Import from these modules. All others are private and may change with any release.

- ``operators``: submit rows, collect results, cancel batches, or all in one task
- ``sensors``: wait until batches have ended
- ``decorators``: ``@task.message_batch``, which Airflow finds automatically
- ``hooks``: every call of the Message Batches API, through an Airflow connection
- ``sources``: the rows of an earlier task's output, for the next one
- ``destinations``: a table of a database, for the answers
- ``triggers``, ``start_triggers``: the waits behind the others; for operators of your own
- ``event_triggers``: start DAGs when batches end
- ``links``: the link from a task to the Claude Console
- ``errors``: the errors that all of these raise
- ``simulator``: a local Message Batches API for tests, with a pytest fixture
"""

__version__ = "0.1.0"
