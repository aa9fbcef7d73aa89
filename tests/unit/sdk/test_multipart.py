"""Form bodies: what is written is what another reader reads, and nothing in a field can end it."""

import email
import email.policy
import tracemalloc
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stockade_sdk.multipart import MAX_FIELDS, FormField, decode_form, encode_form

FIELDS = (
    FormField("model", "m-1"),
    FormField("granularity[]", "word"),
    FormField("granularity[]", "segment"),
    FormField("prompt", "eine Tür\r\n--x"),
    FormField("file", b"RIFF\x00\r\n\r\n--\xff", "sound.wav", "audio/wav"),
)


def read_by_the_mail_parser(body: bytes, content_type: str) -> list[tuple[str, bytes]]:
    head = f"Content-Type: {content_type}\r\n\r\n".encode()
    message = email.message_from_bytes(head + body, policy=email.policy.HTTP)
    found = []
    for part in message.iter_parts():
        data = part.get_payload(decode=True)
        assert isinstance(data, bytes)
        found.append((str(part.get_param("name", header="content-disposition")), data))
    return found


def test_another_parser_reads_the_same_fields():
    body, content_type = encode_form(FIELDS)

    assert read_by_the_mail_parser(body, content_type) == [
        (field.name, field.data) for field in FIELDS
    ]


def test_the_form_is_written_as_the_standard_has_it():
    body, content_type = encode_form((FormField("a", "b"), FormField("f", b"x", "n.bin")))

    boundary = content_type.removeprefix("multipart/form-data; boundary=")
    assert body.decode() == (
        f'--{boundary}\r\nContent-Disposition: form-data; name="a"\r\n\r\nb\r\n'
        f'--{boundary}\r\nContent-Disposition: form-data; name="f"; filename="n.bin"\r\n'
        f"Content-Type: application/octet-stream\r\n\r\nx\r\n--{boundary}--\r\n"
    )


def test_the_same_fields_give_the_same_bytes():
    assert encode_form(FIELDS) == encode_form(FIELDS)


def test_content_that_holds_the_boundary_gets_another_one():
    _, usual = encode_form(())
    boundary = usual.partition("boundary=")[2]
    hostile = f"\r\n--{boundary}--\r\n"
    in_content = (FormField("file", hostile.encode(), "a"), FormField("b", "c"))
    in_a_name = (FormField("file", b"x", f"a{boundary}"), FormField("b", "c"))

    for fields in (in_content, in_a_name):
        body, content_type = encode_form(fields)
        assert not content_type.endswith(boundary)
        assert decode_form(body, content_type)[1] == fields[1]
        assert encode_form(fields) == (body, content_type)


@pytest.mark.parametrize(
    "name", ['a"; filename="b', "a\r\nContent-Type: text/html\r\n\r\n", "a\nb", "файл.wav", ""]
)
def test_a_file_name_cannot_end_its_header(name):
    body, content_type = encode_form((FormField("file", b"x", name), FormField("b", "c")))

    head = body.split(b"\r\n\r\n")[0]
    assert head.count(b"\r\n") == 2
    assert head.count(b"\n") == 2
    assert decode_form(body, content_type)[0].filename == name


@pytest.mark.parametrize("kind", ["audio/wav\r\nX: y", "audio/\u00fc", "a\nb"])
def test_a_content_type_that_could_end_its_header_is_refused(kind):
    with pytest.raises(ValueError, match="no content type"):
        encode_form((FormField("file", b"x", "a", kind),))


@given(
    st.lists(
        st.builds(
            FormField,
            st.text(st.characters(exclude_characters="%", exclude_categories=["Cs"]), min_size=1),
            st.binary(max_size=64),
            st.text(st.characters(exclude_characters="%", exclude_categories=["Cs"])),
            st.just("audio/wav"),
        ),
        max_size=5,
    )
)
def test_what_is_written_is_read(fields):
    assert decode_form(*encode_form(fields)) == tuple(fields)


FORM = "multipart/form-data; boundary=b"
FIELD = b'--b\r\ncontent-disposition: form-data; name="a"\r\n\r\nc\r\n'


@pytest.mark.parametrize(
    ("body", "kind", "said"),
    [
        (FIELD + b"--b--\r\n", "application/json", "no form"),
        (FIELD + b"--b--\r\n", "multipart/form-data", "no form"),
        (FIELD, FORM, "breaks off"),
        (b"", FORM, "at its start"),
        (b"x" + FIELD, FORM, "at its start"),
        (b"--b\r\nx: y\r\n\r\nc\r\n--b--", FORM, "no name"),
        (b"--b\r\nc\r\n--b--", FORM, "no headers"),
        (b"--b\r\n" + b"x" * 9000 + b"\r\n\r\nc\r\n--b--", FORM, "too long"),
        (FIELD * (MAX_FIELDS + 1) + b"--b--", FORM, "more than"),
        (FIELD + b"--b--\r\n", "multipart/form-data;" + "a=b;" * 20 + "boundary=b", "parameters"),
        (FIELD.replace(b"c\r\n", b"c\r\n--bc\r\n") + b"--b--", FORM, "within a field"),
        (FIELD.replace(b"\r\n\r\nc", b"\r\n\r\n\xff") + b"--b--", FORM, "no UTF-8"),
        (FIELD.replace(b"\r\n\r\n", b"\r\nx: y" * 16 + b"\r\n\r\n") + b"--b--", FORM, "too long"),
        (
            FIELD.replace(b"\r\n\r\n", b"\r\nContent-Type: multipart/mixed\r\n\r\n") + b"--b--",
            FORM,
            "a form itself",
        ),
        (
            FIELD.replace(b"\r\n\r\n", b"\r\nContent-Transfer-Encoding: base64\r\n\r\n") + b"--b--",
            FORM,
            "is encoded",
        ),
    ],
)
def test_a_form_that_cannot_be_read_says_why(body, kind, said):
    with pytest.raises(ValueError, match=said):
        decode_form(body, kind)


@pytest.mark.parametrize(
    ("said", "name"),
    [
        (b"filename*=UTF-8''T%C3%BCr.wav", "T\u00fcr.wav"),
        (b"filename=\"plain.wav\"; filename*=UTF-8''other.wav", "plain.wav"),
    ],
)
def test_a_file_name_beyond_ascii_may_be_written_the_older_way(said, name):
    body = b"--b\r\ncontent-disposition: form-data; name=f; " + said + b"\r\n\r\nx\r\n--b--"

    assert decode_form(body, FORM) == (FormField("f", b"x", name),)


def test_a_form_is_read_in_one_pass_whatever_it_is_like():
    small = b"".join(FIELD.replace(b'"a"', b'"a%d"' % at) for at in range(200))
    large = b"--b\r\ncontent-disposition: form-data; name=f; filename=f\r\n\r\n" + b"\r\n--" * 2**20
    copies = tracemalloc_peak(lambda: decode_form(small + large + b"\r\n--b--", FORM))

    assert copies < 2.5 * len(large)  # the form itself, and the file in it


def tracemalloc_peak(act: Callable[[], object]) -> int:
    tracemalloc.start()
    try:
        act()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_other_writers_forms_are_read():
    body = b"preamble\r\n--b \r\nContent-Disposition: form-data; name=a\r\n\r\nc\r\n--b--\r\nend"

    assert decode_form(body, 'Multipart/Form-Data; charset=utf-8; boundary="b"') == (
        FormField("a", "c"),
    )
