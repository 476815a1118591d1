"""A person who reloads a room that is closed by now is told so, and led back."""

import pytest

from tre.rooms.room import landing

pytestmark = pytest.mark.docker


@pytest.fixture(scope="module")
def alice(house):
    alice = house.person("alice")
    if house.running("sunrise", "alice"):
        alice.leave("sunrise")
    return alice


def test_the_rooms_own_address_says_that_it_is_closed_and_leads_to_the_projects(alice):
    page = alice.page(alice.url("sunrise", "lab"))
    assert page.status_code in {404, 424}  # by the gateway, or by the Hub once the proxy has forgotten the room
    assert "This room is not open" in page.text or "is closed" in page.text
    assert "/hub/home" in page.text


def test_the_hubs_address_of_a_closed_room_says_that_nothing_is_lost(alice):
    page = alice.page(f"{alice.hub}/hub/user/alice/sunrise/lab")
    assert page.status_code == 424
    assert "is closed" in page.text
    assert "Nothing is lost" in page.text


def test_a_browser_that_lands_for_a_closed_room_goes_to_the_projects(alice, house):
    settings = house.settings
    page = alice.page(f"http://{landing(settings)}:{settings.port}/user/alice/sunrise/lab")
    assert str(page.url) == f"{alice.hub}/hub/home"


def test_what_lands_and_follows_no_link_is_refused(alice, house):
    settings = house.settings
    answer = alice.http.post(f"http://{landing(settings)}:{settings.port}/user/alice/sunrise/api/kernels", json={})
    assert answer.status_code == 421
