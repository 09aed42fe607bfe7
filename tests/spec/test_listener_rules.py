"""Rules of listeners: conditions, and the redirects and fixed responses that need no service."""

from __future__ import annotations

from typing import Any

import pytest

from reconciler.model import members
from reconciler.model.resource import Address
from reconciler.resources._elb_actions import Action, FixedResponse, Redirect
from reconciler.spec.compile import compile_deliveries
from tests.spec import folder
from tests.spec.test_start import compiled

BALANCER = "kind: LoadBalancer\nname: my-app-alb\n"
SERVICE = "kind: Service\nname: my-app-frontend\n"
LISTENERS = "listeners: {{production: {{port: 80, {}}}, test: {{port: 9000}}}}\n"
MATCH = "---\nkind: Service\nname: my-app-frontend\ntraffic: {match: {path: /b, priority: 7}}\n"


def listener(text: str) -> Any:
    return compiled(BALANCER + LISTENERS.format(text) + MATCH)[Address("listener", "my-app-alb-production")].spec


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{protocol: HTTPS}", {"protocol": "HTTPS", "port": "443"}),
        ("{protocol: HTTPS, port: 8443, status: 302}", {"protocol": "HTTPS", "port": "8443", "status": "302"}),
        (
            "{host: 'www.#{host}', path: '/new/#{path}', query: a=1}",
            {"host": "www.#{host}", "path": "/new/#{path}", "query": "a=1"},
        ),
        ("{port: 81}", {"port": "81"}),
    ],
)
def test_a_redirect_keeps_what_it_does_not_name(text: str, expected: dict[str, str]) -> None:
    """ELB's own placeholders, as it answers them itself; a protocol has its port."""
    kept = {"protocol": "#{protocol}", "port": "#{port}", "host": "#{host}", "path": "/#{path}", "query": "#{query}"}
    found = listener(f"default_action: {{redirect: {text}}}")
    assert found.default_action == Action(redirect=Redirect(**(kept | expected)))


def test_a_fixed_response_is_the_load_balancers_own() -> None:
    text = "default_action: {fixed_response: {status: 503, content_type: text/html, body: <h1>Soon</h1>}}"
    reply = FixedResponse(status="503", content_type="text/html", body="<h1>Soon</h1>")
    assert listener(text).default_action == Action(fixed_response=reply)


def test_a_rule_of_the_load_balancer_has_all_conditions() -> None:
    text = (
        "rules: {old: {match: {path: /old/*, host: [a.example.com], method: GET, header: {X-Beta: 'yes'}, "
        "query: version=2, priority: 5}, redirect: {path: /new}}}\n"
    )
    rule = compiled(BALANCER + text)[Address("listener-rule", "my-app-alb-old")].spec
    assert (rule.priority, rule.paths, rule.hosts, rule.methods) == (5, ("/old/*",), ("a.example.com",), ("GET",))
    assert (rule.headers, rule.queries, rule.sources) == ({"X-Beta": ("yes",)}, ("version=2",), ())


def test_tests_send_what_the_rule_of_the_service_takes() -> None:
    """Values without wildcards first; else something that the pattern matches."""
    text = "traffic:\n  match: {host: ['*.example.com'], header: {X-Beta: ['a*', 'yes']}, query: 'v=*', priority: 3}\n"
    (delivery,) = compile_deliveries(folder.lay(SERVICE + text))
    assert (delivery.headers, delivery.query) == ({"Host": "x.example.com", "X-Beta": "yes"}, "v=x")


@pytest.mark.parametrize(
    ("text", "rules"),
    [
        (BALANCER + LISTENERS.format("default_action: {redirect: {status: 302}}"), ["E1103"]),
        (BALANCER + LISTENERS.format("default_action: {}"), ["E1103"]),
        (
            BALANCER + LISTENERS.format("default_action: {redirect: {port: 81}, fixed_response: {status: 200}}"),
            ["E1112"],
        ),
        (BALANCER + LISTENERS.format("default_action: {fixed_response: {status: 301}}"), ["E1106"]),
        (BALANCER + "rules: {r: {match: {priority: 5}, redirect: {port: 81}}}", ["E1112"]),
        (BALANCER + "rules: {r: {match: {}, redirect: {port: 81}}}", ["E1103"]),
        (
            BALANCER + "rules: {r: {listener: prodution, match: {path: /a, priority: 5}, redirect: {port: 81}}}",
            ["E2002"],
        ),
        (
            BALANCER
            + "rules: {r: {match: {path: /a, priority: 5}, redirect: {port: 81}}, "
            + "s: {match: {path: /b, priority: 5}, redirect: {port: 81}}}",
            ["E4011"],
        ),
        (
            BALANCER
            + "rules: {r: {match: {path: /a, priority: 5}, redirect: {port: 81}}}\n---\n"
            + SERVICE
            + "traffic: {match: {path: /b, priority: 5}}",
            ["E4011"],
        ),
        (
            BALANCER
            + "listeners: {production: {port: 80, default_action: {redirect: {protocol: HTTPS}}}, test: {port: 9000}}",
            ["E4011"],
        ),
        (SERVICE + "traffic: {match: {path: [/a, /b, /c], header: {X: [d, e, f]}, priority: 5}}", ["E4014"]),
        (SERVICE + "traffic: {match: {method: get, priority: 5}}", ["E1109"]),
        (SERVICE + "traffic: {match: {source_ip: 10.0.0.1/8, priority: 5}}", ["E3002"]),
    ],
)
def test_what_elb_would_refuse_is_refused(text: str, rules: list[str]) -> None:
    """At its place, and nothing else with it."""
    assert [found.rule for found in folder.lay(text).diagnostics] == rules


def test_regular_expressions_are_conditions_of_their_own() -> None:
    """Beside the other conditions, and named by the tag by which they go with their line."""
    text = (
        "rules: {beta: {match: {path_regex: ['^/v2', '^/v1'], header_regex: {X-Beta: 'y.*'}, "
        "method: GET, priority: 5}, "
        "redirect: {path: /new}}}\n"
    )
    rule = compiled(BALANCER + text)[Address("listener-rule", "my-app-alb-beta")]
    assert (rule.spec.paths, rule.spec.methods) == ((), ("GET",))
    assert rule.spec.aws["Conditions"] == [
        {"Field": "path-pattern", "PathPatternConfig": {"RegexValues": ["^/v1", "^/v2"]}},
        {"Field": "http-header", "HttpHeaderConfig": {"HttpHeaderName": "X-Beta", "RegexValues": ["y.*"]}},
    ]
    assert rule.tags["reconciler:fields"] == members.code(("aws", "Conditions"))
