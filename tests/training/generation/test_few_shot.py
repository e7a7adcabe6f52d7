import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpus.errors import ConfigError
from training.generation.prompts import Example, Shots, read

YAML = r"""
template: "Q: {prompt}\nA: {completion}\n\n"
examples:
  - {prompt: What is two and two?, completion: four}
  - {prompt: "What is one and one?", completion: "two"}
"""


def test_a_yaml_file(tmp_path):
    (tmp_path / "sums.yaml").write_text(YAML)
    shots = read(tmp_path / "sums.yaml")
    assert shots.before("What is three and one?") == (
        "Q: What is two and two?\nA: four\n\nQ: What is one and one?\nA: two\n\nQ: What is three and one?\nA:"
    )
    assert shots.answer(" four\n\nQ: What is five and five?\nA: ten") == "four"
    assert shots.answer(" four") == "four"


def test_lines_of_examples(tmp_path):
    (tmp_path / "sums.jsonl").write_text(
        '{"prompt": "1+1", "completion": "2"}\n\n{"completion": "4", "prompt": "2+2"}\n'
    )
    shots = read(tmp_path / "sums.jsonl")
    assert shots.examples == (Example("1+1", "2"), Example("2+2", "4"))
    assert shots.before("3+3") == "1+1\n2\n\n2+2\n4\n\n3+3\n"


def test_no_examples_is_zero_shot():
    assert Shots(template="{prompt} ->{completion}").before("a") == "a ->"
    assert Shots(template="{prompt} ->{completion}").answer(" b\n") == "b"


@given(prompt=st.text(), completion=st.text(), question=st.text())
def test_texts_are_never_templates(prompt, completion, question):
    """Braces in them, too, are only text."""
    shots = Shots(
        examples=(Example(prompt + "{completion}", completion + "{prompt}"),), template="<{prompt}|{completion}>"
    )
    assert shots.before(question) == f"<{prompt}{{completion}}|{completion}{{prompt}}><{question}|"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("examples: 3", "must be a list"),
        ("[1, 2]", "must hold `examples`"),
        ("exmples: []", "must hold `examples`"),
        ("examples: [{prompt: a}]", "example 1 is .*; it must have a `prompt` and a `completion`"),
        ("examples: [{prompt: a, completion: b}, {prompt: a, completion: 4}]", "example 2"),
        ("examples: []\ntemplate: '{prompt}'", "once"),
        ("examples: []\ntemplate: '{completion} {prompt}'", "once after it"),
        ("examples: []\ntemplate: '{prompt} {prompt} {completion}'", "once"),
        ("template: 3", "`template` a text"),
        ("a: [", "no examples can be read"),
        ("!!python/object/apply:os.system ['true']", "no examples can be read|must hold"),
    ],
)
def test_files_that_are_none(tmp_path, content, said):
    path = tmp_path / "shots.yaml"
    path.write_text(content)
    with pytest.raises(ConfigError, match=said):
        read(path)


def test_broken_lines_and_no_file(tmp_path):
    (tmp_path / "x.jsonl").write_text("{")
    for name in ("x.jsonl", "nowhere.yaml"):
        with pytest.raises(ConfigError, match="no examples can be read"):
            read(tmp_path / name)
