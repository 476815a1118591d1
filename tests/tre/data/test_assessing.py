from tre.data import assessing, leaks, risk, search, short


def a_report(*, cells=0, swept=0, own=0):
    measured = risk.Risk(60, 30, 0, 0, 2, 0.03, 5, (), {})
    return assessing.Report(
        measured,
        leaks.Search(cells, (), 0, (), ()),
        search.Sweep(swept, 1, 1, (), (), 0),
        short.Short(own, 1, ()),
    )


def test_a_search_that_had_nothing_to_look_for_did_not_pass():
    assert not a_report().passed


def test_whichever_search_had_something_to_look_for_is_enough():
    assert all(a_report(**{which: 1}).passed for which in ("cells", "swept", "own"))
