from catalog.server.pages.rendering import environment


def test_a_sentence_keeps_what_is_not_its_first_letter() -> None:
    shown = environment().from_string("{{ text|sentence }}")
    assert shown.render(text="its record expired 06:17 UTC") == "Its record expired 06:17 UTC"
    assert shown.render(text="") == ""


def test_a_command_that_is_copied_holds_foreign_text_as_one_word() -> None:
    """The name of a file in an image is its publisher's: pasted into a shell, it must not be a command."""
    shown = environment().from_string("{{ ('dcat cat ' ~ ('web@1:/' ~ path)|quoted)|string }}")
    assert shown.render(path="etc/os-release") == "dcat cat web@1:/etc/os-release"
    assert shown.render(path="x; rm -rf ~") == "dcat cat &#39;web@1:/x; rm -rf ~&#39;"
