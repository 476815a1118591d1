"""What takes long begins first, and what shares a house goes to one worker."""

from tests import order


def test_a_file_that_begins_first_is_there():
    assert order.missing() == ()


def test_no_file_stands_in_two_lines():
    listed = [file for line in order.FIRST for file in line]
    assert len(listed) == len(set(listed))


def test_files_of_one_line_go_to_one_worker_and_no_others_do():
    first, second = order.FIRST[0][:2]
    assert order.line_of(f"tests/{first}::test_a[x/y::z]") == order.line_of(f"tests/{second}::test_b")
    assert order.line_of(f"tests/{first}::test_a") != order.line_of(f"tests/{order.FIRST[1][0]}::test_a")
    assert order.line_of("tests/test_order.py::test_a") == "test_order.py"


def test_the_listed_stand_before_all_others_in_their_order():
    places = [order.place(order.HERE / file) for line in order.FIRST for file in line]
    assert places == list(range(len(places)))
    assert order.place(order.HERE / "test_order.py") == len(places)


def test_this_run_is_in_that_order(request):
    places = [order.place(item.path) for item in request.session.items]
    assert places == sorted(places)
