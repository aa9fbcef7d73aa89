"""The page's words: the same in every language, and no word beside them."""

import re
import string
from html.parser import HTMLParser

import pytest

from stockade.page.language import HERE, Words, choose, read

TEMPLATES = sorted((HERE.parent / "templates").iterdir())
SOURCES = [*TEMPLATES, *HERE.parent.rglob("*.py")]
SPOKEN = ("aria-label", "title", "alt", "label", "summary")


class Bare(HTMLParser):
    """Letters that a template writes by itself."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [value or "" for name, value in attrs if name in SPOKEN and value]

    def handle_data(self, data: str) -> None:
        self.found.append(data)


def bare(template: str) -> list[str]:
    without = re.sub(r"\{%.*?%\}|\{#.*?#\}|\{\{.*?\}\}", "", template, flags=re.DOTALL)
    reader = Bare()
    reader.feed(without)
    return [text.strip() for text in reader.found if any(c.isalpha() for c in text)]


def places(sentence: str) -> set[str | None]:
    return {name for _, name, _, _ in string.Formatter().parse(sentence) if name is not None}


def test_both_catalogues_have_the_same_keys():
    assert list(read("en")) == list(read("zh"))


def test_a_sentence_has_the_same_places_in_both_languages_and_is_not_empty():
    english, chinese = read("en"), read("zh")
    assert {key for key in english if places(english[key]) != places(chinese[key])} == set()
    assert {key for key in english if not english[key].strip() or not chinese[key].strip()} == set()


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.name)
def test_a_template_has_no_words_of_its_own(template):
    assert bare(template.read_text(encoding="utf-8")) == []


def test_bare_words_would_be_seen():
    assert bare("<p>{{ t('x') }} hello</p><a title='there'></a>") == ["hello", "there"]


def test_every_key_that_is_asked_for_exists():
    asked = set()
    for source in SOURCES:
        text = source.read_text(encoding="utf-8")
        asked |= set(re.findall(r"\bt\(\s*[\"']([\w.]+)[\"']\s*[,)]", text))
        for key in re.findall(r"t\.count\(\s*[\"']([\w.]+)[\"']", text):
            asked |= {f"{key}.one", f"{key}.many"}
        asked |= set(re.findall(r"[\"']((?:errors|done|consent)\.\w+)[\"']", text))
    assert asked
    assert asked <= set(read("en"))


def test_the_chinese_catalogue_is_in_chinese():
    english = read("en")
    same = {key for key, said in read("zh").items() if said == english[key]}
    named = {"brand", "look.en", "look.zh", "tell.unknown", "plugins.cpu", "matched_by.auto"}
    assert same <= named


@pytest.mark.parametrize(
    ("asked", "cookie", "accepted", "chosen"),
    [
        ("zh", "en", "en", "zh"),
        ("", "zh", "en", "zh"),
        ("xx", "yy", "zh-CN,zh;q=0.9,en;q=0.8", "zh"),
        ("", "", "fr, en;q=0.4, zh;q=0.9", "zh"),
        ("", "", "en-GB,zh;q=0.9", "en"),
        ("", "", "zh;q=0", "en"),
        ("", "", "zh;q=nonsense, de", "en"),
        ("", "", "", "en"),
    ],
)
def test_the_language_is_asked_for_remembered_or_the_browsers_best(asked, cookie, accepted, chosen):
    assert choose(asked, cookie, accepted) == chosen


def test_a_word_of_the_host_that_nobody_translated_is_shown_as_it_is():
    words = Words("zh", read("zh"))
    assert words.of("state", "enabled") == "已启用"
    assert words.of("state", "something new") == "something new"
