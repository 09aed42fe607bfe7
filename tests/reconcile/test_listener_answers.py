"""Listeners that answer without a service: what was written is what is read, and answers as it says."""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.harness.emulated_stack import SEED, SHORT, emulated_stack

ANSWERS = """
rules:
  old:
    match: {path: /old/*, priority: 5}
    redirect: {path: "/new/#{path}", status: 302}
  closed:
    match: {header: {X-Beta: "no*"}, method: [GET, POST], query: [beta, version=2], priority: 6}
    fixed_response: {status: 503, content_type: text/html, body: "<h1>Soon</h1>"}
  inside:
    listener: test
    match: {source_ip: [10.0.0.0/8, 192.168.0.0/16], priority: 7}
    fixed_response: {status: 404}
"""


def test_what_was_written_is_what_is_read(tmp_path: Path) -> None:
    folder = Path(shutil.copytree(SEED, tmp_path / "specs"))
    file = folder / "load-balancer.yaml"
    file.write_text(file.read_text(encoding="utf-8").rstrip() + ANSWERS, encoding="utf-8")
    with emulated_stack(terms=SHORT, folder=folder) as stage:
        stage.serving()
        stage.transport.sent.clear()
        stage.infrastructure()
        assert not {name for name in stage.transport.sent if not name.startswith(("Describe", "List", "Get"))}
        elb = stage.laptop.client("elbv2")
        (balancer,) = elb.describe_load_balancers()["LoadBalancers"]
        listeners = elb.describe_listeners(LoadBalancerArn=balancer["LoadBalancerArn"])["Listeners"]
        rules = [
            rule
            for listener in listeners
            for rule in elb.describe_rules(ListenerArn=listener["ListenerArn"])["Rules"]
            if not rule["IsDefault"]
        ]
        assert {rule["Priority"]: rule["Actions"][0]["Type"] for rule in rules} == {
            "5": "redirect",
            "6": "fixed-response",
            "7": "fixed-response",
        }
