"""The XCom entries of a task. Tasks that an older version of this package deferred read them back: never rename one."""

DEFERRAL_KEY = "deferral"
MANIFEST_KEY = "manifest"
PROGRESS_KEY = "progress"
RETURN_VALUE_KEY = "return_value"  # Airflow's own
