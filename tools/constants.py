"""The constants that decide something, for the table of docs/constants.md: module, name, unit, and effect.

Values are not repeated here: the table reads them from the modules. The unit belongs to a plain number: ``s``,
``bytes`` or a word; "" if the value has its own.
"""

from __future__ import annotations

from collections.abc import Mapping

# By module below the package, and by name; ``Class.field`` stands for the default of a dataclass's field.
CONSTANTS: Mapping[str, Mapping[str, tuple[str, str]]] = {
    "batches.limits": {
        "MAX_REQUESTS_PER_BATCH": ("requests", "The API's limit of one batch."),
        "MAX_BYTES_PER_BATCH": ("bytes", "The API's limit of one batch, in the stricter reading of MB."),
        "MAX_RESULT_LINE_BYTES": (
            "bytes",
            "Ours: a line of results without an end is an error, instead of all of the memory.",
        ),
        "MAX_LIST_PAGE": ("batches", "The API's largest page of a list."),
        "REQUESTS_IN_QUEUE": (
            "requests",
            "The queue of the smallest published tier; the default of `max_requests_in_flight`.",
        ),
        "BATCH_EXPIRES_AFTER": ("", "The API ends a batch this long after its creation."),
        "RESULTS_AVAILABLE_FOR": ("", "The API keeps results this long after the creation of their batch."),
        "EXPIRY_GRACE": (
            "",
            "This long after its expiry a batch leaves the window, and an unresolved call is left to settling by hand.",
        ),
        "LONGEST_LIFE": (
            "",
            "By this age a batch has ended and can be read. A further round starts only if earlier results outlast it.",
        ),
        "MAX_IMAGE_BYTES": ("bytes", "The API's limit of one image, counted in base64."),
        "MAX_IMAGE_PIXELS": ("pixels", "The API's limit of each side of an image."),
        "MANY_IMAGES": ("images", "In a request of more images, the next limit applies to each of them."),
        "MAX_PIXELS_OF_MANY_IMAGES": ("pixels", "The API's limit of each side of an image among many."),
        "MAX_IMAGES_PER_REQUEST": ("images", "The API's limit of one request."),
        "MAX_IMAGES_IN_SMALL_CONTEXT": ("images", "The same for models with a context of 200,000 tokens."),
        "MAX_MESSAGE_BYTES": (
            "bytes",
            "The API's limit of one request with images or documents, in the stricter reading of MB.",
        ),
    },
    "batches.requests.output_schemas": {
        "MAX_OPTIONAL_PROPERTIES": ("properties", "The API's limit of properties that a schema does not require."),
        "MAX_UNION_PROPERTIES": ("properties", "The API's limit of properties of several types in a schema."),
    },
    "batches.estimates.estimator": {
        "SAMPLE_ROWS": ("rows", "An estimate counts the tokens of so many rows of each model and kind."),
        "CONFIDENCE": ("", "With this confidence the cost lies in the interval of an estimate."),
    },
    "batches.estimates.estimated_sums": {
        "WIDENED": ("", "Intervals are wider by this factor than the spread of the sample says."),
    },
    "batches.estimates.caveats": {
        "FEW_ANSWERS": ("answers", "An estimate warns if its pilot has fewer answers than this."),
    },
    "batches.estimates.row_facts": {
        "PICTURE_SIZE": (
            "bytes",
            "An image or document counts as so much text when rows are drawn. It changes no estimate on average.",
        ),
    },
    "batches.estimates.kept_rows": {
        "IN_MEMORY_BYTES": ("bytes", "A drawn row whose params are longer is kept on the local disk."),
    },
    "batches.estimates.token_counts": {
        "LONGEST_PAUSES_SECONDS": (
            "s",
            "An estimate waits so long for a service that does not count the tokens of a row.",
        ),
    },
    "batches.submission.settlement_rules": {
        "SubmissionBounds.start_within": (
            "",
            "A create call starts only within this time after its intent, so that a paused process never posts late.",
        ),
        "SubmissionBounds.post_deadline": (
            "",
            "The body of a create call breaks off this long after its start.",
        ),
        "SubmissionBounds.settle_time": (
            "",
            "How long a batch may take to appear in the service. After all three, a lost call is void.",
        ),
        "_BETWEEN_UNREADABLE_LOOKS": (
            "",
            "When to read again the results that would prove a batch, if they could not be read.",
        ),
    },
    "batches.clock": {
        "SERVICE_CLOCK_SKEW": (
            "",
            "How far the clocks of the service's machines may differ: a batch may be this much older than its intent.",
        ),
    },
    "batches.submission.service_time": {
        "_LONGEST_GREETING": (
            "",
            "A slower answer says too little about the service's time, and is requested again.",
        ),
        "_TIME_IS_FRESH": (
            "",
            "The service's time is requested again after this long: a local clock may be set in the meantime.",
        ),
    },
    "batches.submission.shard_sender": {
        "_MOST_VOIDS": (
            "calls",
            "After this many create calls of one shard that were lost without a batch, the shard stops.",
        ),
        "_OTHER_ATTEMPT_LOOK": ("", "When to check again a shard that another attempt is sending."),
    },
    "batches.submission.lost_answers": {
        "_FAILED_LOOK_PAUSE": (
            "",
            "When to search again for the batch of a lost call after the service could not be asked.",
        ),
    },
    "batches.further_rounds": {},
    "batches.submission.window": {
        "_LOWERED_FOR": ("", "How long a 429 lowers the window to the requests in flight at that time."),
    },
    "batches.submission.submission": {
        "_WINDOW_LOOK": ("", "The longest time between two checks for room in the window."),
    },
    "batches.submission.running_batches": {
        "_BETWEEN_RUNNING_LOOKS": ("", "The shortest time between two checks of the running batches of a job."),
        "_LISTED_FROM": (
            "batches",
            "From this many on, running batches are searched in the list; fewer are retrieved one by one.",
        ),
    },
    "batches.job_advance": {
        "_LONGEST_WAIT": ("", "The longest time that one task waits for batches without checking them itself."),
    },
    "batches.create_answers": {
        "REFUSALS": (
            "",
            "Answers to a create call after which no batch exists, if they have a request id; others are settled.",
        ),
    },
    "batches.pauses": {
        "CALL_FAILED.first_seconds": ("s", "The first pause after a call that the client repeats; it doubles."),
        "CALL_FAILED.longest_seconds": ("s", "The longest such pause."),
        "LOOK_FAILED.first_seconds": (
            "s",
            "The first pause after a failed check of a batch, or of a whole connection; it doubles.",
        ),
        "LOOK_FAILED.longest_seconds": ("s", "The longest such pause."),
        "LIST_FAILED.first_seconds": ("s", "The first pause after a list that fails alone; it doubles."),
        "LIST_FAILED.longest_seconds": ("s", "The longest such pause."),
        "QUEUE_FULL.first_seconds": ("s", "The first pause after a 429 to a create call; it doubles."),
        "QUEUE_FULL.longest_seconds": ("s", "The longest such pause."),
        "SERVICE_AWAY.first_seconds": (
            "s",
            "The first pause after a service that cannot be asked when a wait is over; it doubles.",
        ),
        "SERVICE_AWAY.longest_seconds": ("s", "The longest such pause."),
        "LONGEST_RETRY_AFTER_SECONDS": (
            "s",
            "The longest `Retry-After` that is believed: only the spend limit lasts longer.",
        ),
    },
    "batches.client.failures": {
        "MAX_RETRIES": ("repetitions", "How often a call is repeated by default. A create call is never repeated."),
        "LONGEST_WAIT_SECONDS": (
            "s",
            "The longest `Retry-After` that the client waits itself; its caller handles a longer one.",
        ),
    },
    "batches.client.transport": {
        "_TIMEOUT_SECONDS": (
            "s",
            "How long a small call may wait for each part of its answer. The SDK's ten minutes would hold a worker.",
        ),
        "_CONNECT_TIMEOUT_SECONDS": ("s", "How long such a call may take to connect."),
    },
    "batches.results.fetching": {
        "PAUSES_SECONDS": ("s", "The pauses before interrupted results are fetched again."),
    },
    "batches.watching.pace": {
        "CALLS_PER_MINUTE": (
            "calls a minute",
            "The long-run rate of one watcher: a Start account has 1,000 for all its processes.",
        ),
        "BURST": ("calls", "How many calls it may make at once after a pause."),
    },
    "batches.watching.look_intervals": {
        "_SHORTEST_DELAY_SECONDS": ("s", "The shortest time between two checks of a young batch."),
        "_SHARE_OF_AGE": ("of its age", "When a young batch is checked again."),
    },
    "batches.watching.schedule": {
        "AT_ONCE": ("batches", "How many batches are retrieved at once."),
        "_GATHER_SECONDS": (
            "s",
            "Waits that begin within this time, and batches that are due within it, are checked together.",
        ),
        "_CLOCK_SET_BACK_SECONDS": (
            "s",
            "A clock that went back by more than this was set: everything is due at once.",
        ),
    },
    "batches.watching.listing": {
        "RETRIEVE_UP_TO": ("batches", "Up to this many due batches are retrieved; more are searched in the list."),
        "MAX_PAGES": ("pages", "How deep a scan goes into the list."),
        "PROBE_AFTER": (
            "pages",
            "After this many failed pages in a row, a few batches are retrieved, to see whether only the list fails.",
        ),
    },
    "batches.watching.wait": {
        "_EXPIRY_WARNINGS_HOURS": ("h", "When the log warns that a batch is about to expire."),
        "_RESULTS_WARNING_HOURS": ("h", "When the log warns that results are about to be lost."),
    },
    "batches.watching.watched_batch": {
        "PATIENCE_SECONDS": (
            "s",
            "How long a batch may be denied (404, 401, 403) before its wait ends: a key is rotated within minutes.",
        ),
        "PATIENCE_LOOKS": ("checks", "And in how many checks."),
        "_TROUBLE_SECONDS": ("s", "How long checks may fail before the task's log says so."),
        "_TROUBLE_LOOKS": ("checks", "And how many of them."),
        "_YOUNG_SECONDS": ("s", "A batch that was created within this time may appear late in the list."),
    },
    "batches.watching.failure_kinds": {
        "_FRESH_SECONDS": ("s", "The shortest time before a connection is read again."),
        "_OLD_SECONDS": ("s", "After this long, it is read again while the network or the service fails."),
        "_MANY_FAILURES": ("failures", "In a row, before that is done."),
    },
    "batches.watching.subscription": {
        "_LONGEST_DOZE_SECONDS": ("s", "Bounds how late a warning or a deadline is, if the clock was set."),
        "_LAST_LOOK_SECONDS": ("s", "Time left at a deadline for a last check of each batch."),
        "_FIRST_LOOK_SECONDS": ("s", "The same if the deadline had passed before the wait began."),
    },
    "batches.watching.watcher": {
        "_CALL_SECONDS": ("s", "How long one check may take in total."),
        "_CONNECT_SECONDS": ("s", "How long reading the connection may take."),
        "_LONGEST_REST_SECONDS": ("s", "Bounds the effect of a clock that is set forward."),
        "_AFTER_A_BUG_SECONDS": ("s", "The pause after an error of our own, so that the watch continues."),
    },
    "batches.watching.watermark": {
        "_LATE": (
            "",
            "How long after its end a batch may first appear as ended; reported ends are remembered this long.",
        ),
    },
    "batches.rows.whole_files": {
        "MAX_WHOLE_BYTES": ("bytes", "The largest file, unzipped, that can be a row."),
    },
    "batches.requests.params": {
        "MAX_PARAMS_BYTES": ("bytes", "The largest params of one row: they still fit if they are alone in a batch."),
    },
    "batches.rows.keys": {
        "KEYS_PER_BLOCK": ("keys", "Keys in memory before they go to the disk: 6 to 12 MB."),
    },
    "batches.sharding": {
        "_BUFFER_BYTES": ("bytes", "The buffer of each of the two files of a shard while it is written."),
    },
    "batches.usage": {
        "_MOST_DIFFERENT": ("usages", "How many different usages are held before they are added up."),
    },
    "batches.output.json_lines": {
        "_BLOCK_BYTES": ("bytes", "How much encoded output is held before it is written."),
    },
    "batches.collection.job_collection": {
        "_MOST_TRIES": ("tries", "How often a load into a table begins again because another task removed its parts."),
    },
    "batches.output.delimited_files": {
        "_BLOCK_CHARACTERS": (
            "characters",
            "How much of a CSV file is held, beside at most 200 records, before it is written.",
        ),
    },
    "batches.outages": {
        "_LONGEST_OUTAGE_SECONDS": ("s", "How long the task waits out an outage before it fails."),
    },
    "batches.submission.next_look": {
        "_FLOOR_SECONDS": (
            "s",
            "The shortest wait between two stints if the triggerer saw an end that the worker was not shown yet.",
        ),
        "_LOST_SECONDS": ("s", "When to check again for room if the API denies every batch that the task waited for."),
    },
    # ---- the edge
    "sensors": {
        "_DEFAULT_TIMEOUT_SECONDS": (
            "s",
            "The sensor's default `timeout`: a batch ends within 24 h, and the rest allows for outages.",
        ),
    },
    "start_triggers": {
        "TRIGGER_GRACE_SECONDS": (
            "s",
            "Airflow's own timeout of a deferral comes this much later than ours, which can say what still runs.",
        ),
    },
    "edge.kill_policy": {
        "_LOOK_SECONDS": (
            "s",
            "How long a worker waits to hear from Airflow whether a killed task is over; then nothing is canceled.",
        ),
        "_MARGIN_SECONDS": ("s", "How much sooner than Airflow's on_kill_timeout a trigger gives up its own on_kill."),
    },
    "edge.ended_batch_watch": {
        "_HANDED_OVER_SECONDS": (
            "s",
            "A batch is marked as reported this long after its event: by then the triggerer has stored it.",
        ),
        "_LONGEST_PAUSE_INTERVALS": (
            "intervals",
            "The longest pause of the watch for ended batches after failures, in poll intervals.",
        ),
    },
    "batches.submission.pilot_choice": {
        "FEWEST_ROWS": ("rows", 'A job of more rows than this has a pilot with `pilot="auto"`.'),
        "_LEAST_AUTO": ("rows", "The least rows of such a pilot; the job's nonce decides."),
        "_MOST_AUTO": ("rows", "The most rows of such a pilot."),
    },
    "batches.submission.pilot_verdicts": {
        "FEWEST_ANSWERS": ("answers", "So many answers of a pilot, none of them usable, stop the rest."),
    },
    "batches.submission.pilot_gate": {
        "OPENS_AFTER": ("", "How long after its creation a pilot is waited for."),
        "MOST_PILOTS": ("pilots", "How often a pilot is sent that says nothing, if `max_rounds` allows it."),
    },
    "batches.submission.shard_uploads": {
        "SPARE_PRIMERS": ("primers", "How many more rows of the first shard may prime the prompt cache."),
    },
    "batches.submission.cache_gate": {
        "MOST_FAILED_PRIMERS": ("primers", "So many primers in a row without an answer end the wait for one."),
        "MOST_PRIMERS_IN_VAIN": ("primers", "So many in a row whose entry dies before anything else is sent do, too."),
        "_MUST_STILL_LIVE": ("", "How long an entry of the prompt cache must still live when a shard is sent, by ttl."),
    },
    "edge.arguments": {
        "MOST_PILOT_ROWS": ("rows", "The largest pilot."),
        "DEFAULT_MAX_ROUNDS": ("rounds", "How often a row without a usable result is sent in total."),
        "DEFAULT_XCOM_MAX_BYTES": (
            "bytes",
            "The default of `xcom_max_bytes`: how much a task may return instead of writing it.",
        ),
    },
    "batches.ledger.records": {
        "SHOWN_CHARACTERS": ("characters", "How much of a job's first prompt `show_prompt=True` shows and records."),
    },
    "links": {
        "MOST_BATCH_LINKS": ("links", "How many batches of a task have a link; each costs a call when a stint ends."),
    },
    "edge.run_dates": {
        "MOST_DATES": ("dates", "An estimate of more dates is refused."),
    },
    "operators.stints.estimating": {
        "DEFAULT_SAMPLE_ROWS": ("rows", "The default of `sample_rows`: how many rows of a job an estimate counts."),
        "FEWEST_SAMPLE_ROWS": ("rows", "The least `sample_rows`: fewer show no spread."),
        "FEWEST_SAMPLED": ("rows", "How many rows of each date are counted at least, in an estimate of many dates."),
    },
    "edge.progress_reports": {
        "_EVERY_SECONDS": ("s", "How often a task reports how far its job is."),
    },
    "edge.object_storage": {
        "_BLOCK_BYTES": ("bytes", "The size of a read ahead from an object store, and of a part of an upload."),
        "_CREATE_ATTEMPTS": ("attempts", "How often an exclusive create is tried while the store cannot decide."),
    },
    "edge.sql_tables.drivers": {
        "LOCK_WAIT_SECONDS": (
            "s",
            "How long a statement that loads a table waits for a lock of another session. Then the task is retried.",
        ),
        "ROWS_AT_ONCE": ("rows", "How many rows `executemany` inserts at once, in databases without COPY."),
        "BYTES_AT_ONCE": ("bytes", "How much text of such rows is in memory; fewer rows are then inserted at once."),
    },
    "edge.sql_tables.loading": {
        "MOST_TRIES": ("tries", "How often a load begins again because another attempt of its task came between."),
    },
}
