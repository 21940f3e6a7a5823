import pytest

from anthropic_batches_provider.simulator.service.create_body import decode_requests
from anthropic_batches_provider.simulator.service.refusals import Refusal
from anthropic_batches_provider.simulator.service.service_settings import Settings


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b'{"requests":[]}', "requests: List should have at least 1 item after validation, not 0"),
        (b"{}", "requests: Field required"),
        (b"[]", "Input should be a valid dictionary"),
        (b'{"requests":{}}', "requests: Input should be a valid list"),
        (b'{"requests":[1]}', "requests.0: Input should be a valid dictionary"),
        (b'{"requests":[{"params":{}}]}', "requests.0.custom_id: Field required"),
        (b'{"requests":[{"custom_id":"a"}]}', "requests.0.params: Field required"),
        (b'{"requests":[{"custom_id":1,"params":{}}]}', "requests.0.custom_id: Input should be a valid string"),
        (b'{"requests":[{"custom_id":"a","params":[]}]}', "requests.0.params: Input should be a valid dictionary"),
        (b'{"requests":[{"custom_id":"a","params":{},"x":1}]}', "requests.0.x: Extra inputs are not permitted"),
        (b'{"requests":[{"custom_id":"a","params":{}}],"x":1}', "x: Extra inputs are not permitted"),
        (b'{"requests":[{"custom_id":"","params":{}}]}', "requests.0.custom_id: String should match pattern"),
        (b'{"requests":[{"custom_id":"a b","params":{}}]}', "requests.0.custom_id: String should match pattern"),
        (b'{"requests":[{"custom_id":"a\\n","params":{}}]}', "requests.0.custom_id: String should match pattern"),
        (
            b'{"requests":[{"custom_id":"%s","params":{}}]}' % (b"a" * 65),
            "requests.0.custom_id: String should have at most 64 characters",
        ),
        (
            b'{"requests":[{"custom_id":"dup","params":{}},{"custom_id":"dup","params":{}}]}',
            "requests: custom_id's must be unique within a batch. Duplicate custom_id found: dup",
        ),
        (b'{"requests":[', "The request body is not valid JSON"),
        (b"", "The request body is not valid JSON"),
        (b'{"requests":[{"custom_id":"\xff","params":{}}]}', "The request body is not valid JSON"),
    ],
)
def test_a_wrong_body_is_refused_as_a_whole(body: bytes, says: str) -> None:
    with pytest.raises(Refusal) as refused:
        decode_requests(body, Settings())
    assert refused.value.status == 400
    assert refused.value.message.startswith(says)


def test_there_may_be_so_many_requests_and_no_more() -> None:
    body = b'{"requests":[%s]}' % b",".join(b'{"custom_id":"r%d","params":{}}' % n for n in range(3))
    assert len(decode_requests(body, Settings(max_requests=3))) == 3
    with pytest.raises(Refusal, match="at most 2 items"):
        decode_requests(body, Settings(max_requests=2))
