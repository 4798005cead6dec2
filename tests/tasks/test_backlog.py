"""Is nothing lost of what people say of the backlog, whoever says it at the same time, and is a spoilt file one clear error?"""

import subprocess
import sys

import pytest

from schemas.errors import PerennialError
from schemas.wishes import Wish, Wishes
from tasks import backlog

SAYS = """
import sys
from schemas.wishes import Wishes
from tasks import backlog
print("ready", flush=True)
sys.stdin.readline()
for n in range(10):
    backlog.change("toy", lambda before: before.and_then(Wishes(veto=(f"{sys.argv[1]} {n}",))))
"""


def test_of_six_that_speak_at_once_each_is_heard(home):
    processes = [
        subprocess.Popen([sys.executable, "-c", SAYS, str(n)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for n in range(6)
    ]
    for one in processes:
        assert one.stdout.readline() == "ready\n"
    for one in processes:  # all at once, when all have loaded
        one.stdin.write("go\n")
        one.stdin.flush()
    for one in processes:
        one.communicate()
    assert [one.returncode for one in processes] == [0] * 6
    assert sorted(backlog.read("toy").veto) == sorted(f"{n} {k}" for n in range(6) for k in range(10))


def test_a_change_that_is_refused_leaves_the_file_as_it_was(home):
    backlog.change("toy", lambda _: Wishes(veto=("a",)))

    def refuses(_: Wishes) -> Wishes:
        raise PerennialError("no")

    with pytest.raises(PerennialError):
        backlog.change("toy", refuses)
    assert backlog.read("toy") == Wishes(veto=("a",))
    backlog.change("toy", lambda before: before.without("a"))  # and the lock is free
    assert backlog.read("toy") == Wishes()


@pytest.mark.parametrize(
    "content, says",
    [
        (b"{", "line 1, column 2, '{': "),
        (
            b'{"veto": [],\n "first": ["a" "b"]}',
            """line 2, column 16, '"first": ["a" "b"]}': Expecting ',' delimiter""",
        ),
        (b"", "line 1, column 1, '': Expecting value"),
        (b'{"veto": ["caf\xe9"]}', "it is no UTF-8: byte 14 is 0xe9. Save it as UTF-8"),
        (b'{"vetos": []}', "vetos is no field of it; its fields are added, veto, first"),
        (b'{"veto": "a"}', "veto is 'a', and should be a valid tuple"),
        (b'{"veto": [3]}', "veto.0 is 3, and should be a valid string"),
        (b'["a"]', "it is ['a'], and should be a valid dictionary"),
        (b'{"added": [{"name": "x", "change": {"colour": 1}}]}', "added.0: 'x' changes colour; a recipe has family"),
        (
            b'{"added": [{"name": "x", "change": {"window": 1}, "chance": 2}]}',
            "added.0.chance is 2, and should be less",
        ),
        (b'{"veto": ["a"], "first": ["a"]}', "asked for first, and vetoed: a"),
    ],
)
def test_a_file_that_says_no_wishes_names_the_place_and_what_stands_there(home, content, says):
    path = home / "backlog" / "toy.json"
    path.parent.mkdir()
    path.write_bytes(content)
    for what in (backlog.read, lambda problem: backlog.change(problem, lambda before: before)):
        with pytest.raises(PerennialError) as error:
            what("toy")
        said = str(error.value)
        assert says in said
        assert said.startswith(str(path))
        assert "remove it to begin without any." in said
        assert ".." not in said
    assert path.read_bytes() == content, "what a person wrote is theirs to mend"


def test_a_file_of_another_editors_making_is_read(home):
    path = home / "backlog" / "toy.json"
    path.parent.mkdir()
    path.write_bytes('{"veto": ["café"]}'.encode("utf-8-sig"))
    assert backlog.read("toy") == Wishes(veto=("café",))


def test_what_is_taken_back_is_gone_wherever_it_stood():
    said = Wishes(added=(Wish(name="mine", change={"vocabulary": 50}),), veto=("a",), first=("mine", "b"))
    assert said.names == ("mine", "b", "a")
    assert said.without("mine", "a") == Wishes(first=("b",))
