"""Ports and priorities that change hands in one commit, under traffic."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.controller.test_moves import WEB, Moving, stage, start
from tests.harness.listener_watch import ListenerWatch

__all__ = ["stage", "start"]

pytestmark = pytest.mark.apart

SERVICE = "services/{name}.yaml"


def write(moving: Moving, name: str, priority: int) -> None:
    """A service like `web` that takes the requests below its own name."""
    folder = moving.running.files.folder
    text = (folder / WEB).read_text(encoding="utf-8")
    match = f"container: web\n  match: {{path: [/{name}/*], priority: {priority}}}"
    text = (
        text.replace("name: web\n", f"name: {name}\n").replace("container: web", match).replace("web-tg", f"{name}-tg")
    )
    (folder / SERVICE.format(name=name)).write_text(text, encoding="utf-8")
    moving.running.files.number += 1


def remove(moving: Moving, name: str) -> None:
    (moving.running.files.folder / SERVICE.format(name=name)).unlink()
    moving.running.files.number += 1


def rules(moving: Moving) -> dict[str, str]:
    """Path → the ARN of its rule."""
    elb = moving.laptop.client("elbv2")
    (balancer,) = elb.describe_load_balancers()["LoadBalancers"]
    (listener,) = elb.describe_listeners(LoadBalancerArn=balancer["LoadBalancerArn"])["Listeners"]
    return {
        one["Conditions"][0]["PathPatternConfig"]["Values"][0]: one["RuleArn"]
        for one in elb.describe_rules(ListenerArn=listener["ListenerArn"])["Rules"]
        if not one["IsDefault"]
    }


@pytest.mark.slow
def test_an_unrelated_service_takes_the_priority_of_one_that_leaves(start: Callable[..., Moving]) -> None:
    """Nobody's requests are lost, and none reaches the tasks of another service than before or afterwards."""
    moving = start()
    write(moving, "shop", 10)
    moving.go(200)
    moving.at_rest()
    web = moving.watches[0]
    web.groups = frozenset({"web-tg"})
    shop = ListenerWatch(moving.laptop, path="/shop/1", groups=frozenset({"shop-tg", "web-tg"}))
    cart = ListenerWatch(moving.laptop, path="/cart/1", groups=frozenset({"cart-tg", "web-tg"}))
    moving.watches += [shop, cart]
    moving.look()
    assert [shop.served, cart.served] == [True, True]
    remove(moving, "shop")
    write(moving, "cart", 10)
    moving.go(400)
    assert moving.lost() == []
    assert list(rules(moving)) == ["/cart/*"]
    assert moving.groups() == {"web-tg": 2, "cart-tg": 2}
    assert moving.service("shop")["status"] != "ACTIVE"
    moving.at_rest()


@pytest.mark.slow
def test_a_listener_whose_name_changes_keeps_its_port(start: Callable[..., Moving]) -> None:
    """Without `moved_from`: it is the same listener, and the rules that it has stay."""
    moving = start()
    write(moving, "shop", 10)
    moving.go(200)
    moving.watches.append(ListenerWatch(moving.laptop, path="/shop/1", groups=frozenset({"shop-tg"})))
    moving.look()
    before = rules(moving)
    assert moving.watches[1].served
    moving.running.quiet()
    moving.edit("production: {port: 80}", "main: {port: 80}", "lb.yaml")
    for file in (WEB, SERVICE.format(name="shop")):
        moving.edit("load_balancer: my-app-alb", "load_balancer: my-app-alb\n  listener: main", file)
    moving.go(200)
    assert moving.lost() == []
    assert rules(moving) == before
    assert set(moving.running.writes()) == {"AddTags", "TagResource"}
    moving.at_rest()


@pytest.mark.slow
def test_a_rule_gives_its_priority_to_a_new_one(start: Callable[..., Moving]) -> None:
    """The one that stays takes a free priority."""
    moving = start()
    write(moving, "shop", 10)
    moving.go(200)
    moving.watches.append(ListenerWatch(moving.laptop, path="/shop/1", groups=frozenset({"shop-tg"})))
    moving.look()
    write(moving, "shop", 20)
    write(moving, "cart", 10)
    moving.go(400)
    assert moving.lost() == []
    assert set(rules(moving)) == {"/cart/*", "/shop/*"}
    moving.at_rest()
