"""Documents as JSON, and documents that extend others."""

from catalog.documents.encoding import extend, schema_of, to_json
from catalog.documents.files import File, format_moment
from catalog.documents.names import FoundName, Name

NAME = Name(
    reference="bob/web", name="web", catalogue="k51bob", alias="bob", newest=None, published=None, releases=2, title="A \udcff"
)


def test_a_document_is_its_fields_and_lone_surrogates_are_escaped() -> None:
    assert to_json([NAME])[0] == {
        "reference": "bob/web",
        "name": "web",
        "catalogue": "k51bob",
        "alias": "bob",
        "newest": None,
        "published": None,
        "releases": 2,
        "title": "A \\udcff",
    }


def test_a_document_that_extends_another_has_all_of_its_fields() -> None:
    more = extend(FoundName, NAME, description="text", title="another")
    assert to_json(more) == {**to_json(NAME), "description": "text", "title": "another"}


def test_a_schema_names_every_field() -> None:
    definitions: dict[str, object] = {}
    assert schema_of(tuple[File, ...], definitions) == {"type": "array", "items": {"$ref": "#/components/schemas/File"}}
    described = definitions["File"]
    assert isinstance(described, dict)
    assert list(described["properties"]) == described["required"] == [*File.__dataclass_fields__]
    assert described["properties"]["target"] == {"anyOf": [{"type": "string"}, {"type": "null"}]}


def test_a_time_that_no_calendar_has_is_a_number() -> None:
    assert (format_moment(0), format_moment(1 << 60)) == ("1970-01-01T00:00:00Z", str(1 << 60))
