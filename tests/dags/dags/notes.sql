{# The notes of a word, on the day of the run -#}
SELECT id, text, '{{ ds }}' AS day FROM notes WHERE word = :word ORDER BY id
