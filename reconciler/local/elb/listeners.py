"""Listeners: one a port; the default action is a rule of its own."""

from __future__ import annotations

from reconciler.local.elb.actions import canonical_actions, check_unique_groups
from reconciler.local.elb.certificates import check_usable
from reconciler.local.elb.checks import invalid, listener, load_balancer, paged, tags_of
from reconciler.local.elb.routes import publish
from reconciler.local.elb.state import NETWORK_PROTOCOLS, Listener, LoadBalancer, Params, Rule
from reconciler.local.refusal import Refusal
from reconciler.local.world import World

LISTENERS_PER_LOAD_BALANCER = 50
DEFAULT_POLICY = "ELBSecurityPolicy-2016-08"
POLICIES = (
    "ELBSecurityPolicy-2016-08",
    "ELBSecurityPolicy-TLS13-1-2-2021-06",
    "ELBSecurityPolicy-TLS13-1-2-Res-2021-06",
    "ELBSecurityPolicy-TLS13-1-3-2021-06",
    "ELBSecurityPolicy-FS-1-2-Res-2020-10",
)


def create_listener(world: World, params: Params) -> Params:
    """Idempotent for the same settings; another listener on the port is `DuplicateListener`."""
    balancer = load_balancer(world, params["LoadBalancerArn"])
    tags = tags_of(params)
    protocol, port = params.get("Protocol"), params.get("Port")
    if protocol is None or port is None:
        raise invalid("A protocol and a port must be specified")
    settings = _security(world, protocol, params, balancer)
    actions, secret = canonical_actions(world, params["DefaultActions"], balancer.arn, protocol)
    listeners = world.elb.listeners_of(balancer.arn)
    if existing := next((item for item in listeners if item.port == port), None):
        rule = world.elb.rules[existing.default_rule]
        if (existing.protocol, existing.ssl_policy, rule.actions) == (protocol, settings[0], actions):
            return {"Listeners": [shown(world, existing)]}
        raise Refusal(
            "DuplicateListener", f"A listener already exists on this port for this load balancer '{balancer.arn}'"
        )
    if len(listeners) >= LISTENERS_PER_LOAD_BALANCER:
        raise Refusal("TooManyListeners", f"The load balancer '{balancer.arn}' has reached its limit of listeners")
    check_unique_groups(world, balancer.arn, actions)
    tail = f"{balancer.in_arns}/{world.ids.hexadecimal(16)}"
    rule = Rule(
        arn=world.arn("elasticloadbalancing", f"listener-rule/{tail}/{world.ids.hexadecimal(16)}"),
        listener=world.arn("elasticloadbalancing", f"listener/{tail}"),
        priority=None,
        actions=actions,
        client_secret=secret,
    )
    made = Listener(rule.listener, balancer.arn, port, protocol, rule.arn, *settings, tags=tags)
    world.elb.rules[rule.arn] = rule
    world.elb.listeners[made.arn] = made
    publish(world)
    return {"Listeners": [shown(world, made)]}


def _security(world: World, protocol: str, params: Params, balancer: LoadBalancer) -> tuple[str, list[str]]:
    """The TLS policy and certificates that go with the protocol."""
    able = NETWORK_PROTOCOLS if balancer.type == "network" else {"HTTP", "HTTPS"}
    if protocol not in able:
        message = f"Protocol '{protocol}' is not supported by {balancer.type} load balancers"
        raise Refusal("UnsupportedProtocol", message)
    certificates = [item["CertificateArn"] for item in params.get("Certificates", [])]
    if protocol in ("HTTPS", "TLS"):
        if not certificates:
            raise invalid(f"A certificate must be specified for {protocol} listeners")
        check_usable(world, certificates)
        policy = params.get("SslPolicy", DEFAULT_POLICY)
        if policy not in POLICIES:
            raise Refusal("SSLPolicyNotFound", f"The SSL policy '{policy}' was not found")
        return policy, certificates
    if certificates or params.get("SslPolicy"):
        raise invalid("Certificates and SSL policies can be specified for HTTPS and TLS listeners only")
    return "", []


def shown(world: World, item: Listener) -> Params:
    return {
        "ListenerArn": item.arn,
        "LoadBalancerArn": item.load_balancer,
        "Port": item.port,
        "Protocol": item.protocol,
        "SslPolicy": item.ssl_policy or None,
        "Certificates": [{"CertificateArn": item.certificates[0]}] if item.certificates else None,
        "DefaultActions": world.elb.rules[item.default_rule].actions,
        "MutualAuthentication": {"Mode": "off"} if item.protocol == "HTTPS" else None,
    }


def describe_listeners(world: World, params: Params) -> Params:
    if arns := params.get("ListenerArns"):
        chosen = [listener(world, arn) for arn in arns]
    elif balancer := params.get("LoadBalancerArn"):
        load_balancer(world, balancer)
        chosen = world.elb.listeners_of(balancer)
    else:
        raise invalid("A load balancer or one or more listeners must be specified")
    return paged([shown(world, item) for item in chosen], params, "ListenerArn", "Listeners")


def modify_listener(world: World, params: Params) -> Params:
    found = listener(world, params["ListenerArn"])
    port = params.get("Port", found.port)
    if any(item.port == port and item is not found for item in world.elb.listeners_of(found.load_balancer)):
        raise Refusal(
            "DuplicateListener",
            f"A listener already exists on this port for this load balancer '{found.load_balancer}'",
        )
    protocol = params.get("Protocol", found.protocol)
    kept: Params = {}
    if protocol in ("HTTPS", "TLS"):
        kept["Certificates"] = params.get("Certificates") or [{"CertificateArn": arn} for arn in found.certificates[:1]]
        kept["SslPolicy"] = params.get("SslPolicy") or found.ssl_policy or DEFAULT_POLICY
    else:
        kept = {key: params[key] for key in ("Certificates", "SslPolicy") if key in params}
    settings = _security(world, protocol, kept, load_balancer(world, found.load_balancer))
    if "DefaultActions" in params:
        rule = world.elb.rules[found.default_rule]
        actions, secret = canonical_actions(world, params["DefaultActions"], found.load_balancer, protocol, rule)
        check_unique_groups(world, found.load_balancer, actions)
        rule.actions, rule.client_secret = actions, secret
    found.port, found.protocol = port, protocol
    found.ssl_policy, default = settings
    found.certificates = [*default, *found.certificates[1:]] if default else []
    publish(world)
    return {"Listeners": [shown(world, found)]}


def delete_listener(world: World, params: Params) -> Params:
    found = listener(world, params["ListenerArn"])
    for rule in world.elb.rules_of(found.arn):
        del world.elb.rules[rule.arn]
    del world.elb.listeners[found.arn]
    publish(world)
    return {}


def describe_listener_certificates(world: World, params: Params) -> Params:
    found = listener(world, params["ListenerArn"])
    rows = [{"CertificateArn": arn, "IsDefault": index == 0} for index, arn in enumerate(found.certificates)]
    return {"Certificates": rows}


def add_listener_certificates(world: World, params: Params) -> Params:
    found = listener(world, params["ListenerArn"])
    added = [item["CertificateArn"] for item in params["Certificates"]]
    check_usable(world, added)
    found.certificates[1:] = dict.fromkeys([*found.certificates[1:], *added])
    publish(world)
    return {"Certificates": [{"CertificateArn": arn, "IsDefault": False} for arn in added]}


def remove_listener_certificates(world: World, params: Params) -> Params:
    found = listener(world, params["ListenerArn"])
    gone = {item["CertificateArn"] for item in params["Certificates"]}
    default, *others = found.certificates
    if default in gone - set(others):
        raise Refusal("OperationNotPermitted", "Default certificate cannot be removed")
    found.certificates = [default, *(arn for arn in others if arn not in gone)]
    publish(world)
    return {}


def describe_ssl_policies(world: World, params: Params) -> Params:  # noqa: ARG001 — every operation has this signature
    names = params.get("Names", POLICIES)
    if unknown := [name for name in names if name not in POLICIES]:
        raise Refusal("SSLPolicyNotFound", f"The SSL policy '{unknown[0]}' was not found")
    return {"SslPolicies": [{"Name": name, "SslProtocols": ["TLSv1.2", "TLSv1.3"]} for name in names]}
