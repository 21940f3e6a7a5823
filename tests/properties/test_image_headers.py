"""Whatever bytes a file holds, reading the header of an image ends, and says only what is there."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from anthropic_batches_provider.batches.requests.file_kinds import is_encrypted_pdf, media_type_of, seeming
from anthropic_batches_provider.batches.requests.image_headers import image_dimensions, image_type
from tests.worlds.pictures import gif, jpeg, pdf, png, webp

SIDES = st.integers(1, 16_383)
IMAGES = st.one_of(
    st.builds(jpeg, SIDES, SIDES),
    st.builds(gif, SIDES, SIDES),
    st.builds(webp, st.sampled_from([b"VP8 ", b"VP8L", b"VP8X"]), SIDES, SIDES),
    st.builds(png, st.integers(1, 99), st.integers(1, 99)),
)


@given(image=IMAGES, data=st.data())
def test_a_truncated_image_tells_the_dimensions_of_the_whole_or_none(image: bytes, data: st.DataObject) -> None:
    cut = image[: data.draw(st.integers(0, len(image)))]
    assert image_dimensions(image) is not None
    assert image_dimensions(cut) in (image_dimensions(image), None)
    assert image_type(cut) in (image_type(image), None)


@given(image=IMAGES, data=st.data())
def test_a_damaged_image_never_fails(image: bytes, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(image) - 1))
    noise = data.draw(st.binary(max_size=40))
    found = image_dimensions(image[:at] + noise + image[at + len(noise) :])
    assert found is None or min(found) >= 0


@given(beginning=st.sampled_from([b"", b"\xff\xd8\xff", b"RIFF\0\0\0\0WEBP", b"GIF89a", b"%PDF-"]), noise=st.binary())
def test_random_bytes_have_a_name_and_never_fail(beginning: bytes, noise: bytes) -> None:
    content = beginning + noise
    image_dimensions(content)
    assert is_encrypted_pdf(content) in (True, False)
    assert media_type_of(content) is not None or all(seeming(content))


@given(data=st.data(), stream=st.booleans())
def test_a_damaged_pdf_never_fails(data: st.DataObject, stream: bool) -> None:
    document = pdf(encrypted=True, stream=stream)
    start, end = sorted((data.draw(st.integers(0, len(document))), data.draw(st.integers(0, len(document)))))
    assert is_encrypted_pdf(document[:start] + document[end:]) in (True, False)
