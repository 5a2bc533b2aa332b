from __future__ import annotations

from pathlib import Path

from drivers.component import Component
from sites import site_of

from reconciler.drivers.loading import load_driver
from reconciler.model.outcome import Health, Outcome


def test_it_touches_nothing(place: Path) -> None:
    driver = load_driver("record", site_of(place))
    one, two = (Component("Component", name, "enabled", {}) for name in ("one", "two"))
    assert driver.batches
    assert driver.execute([one.apply(), two.remove()]) == [Outcome("component/one"), Outcome("component/two")]
    assert list(driver.observe([one.record()])) == []
    assert driver.health(one.record()) == Health(healthy=True)
    assert list(driver.logs(one.record(), 100, False)) == []
    assert not place.exists()
