"""The measured stack as a Terraform module, for the same backend; a rolling service instead of task sets, which
Terraform cannot bring out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from benchmarks import stack

TAGS = {"team": "benchmarks", "stack": stack.NAME}


def write(folder: Path, url: str, services: int, *, changed: int = 0) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    names = ("ec2", "ecs", "elbv2", "iam", "logs", "sts", "applicationautoscaling", "ecr", "resourcegroupstaggingapi")
    provider = {
        "region": "us-west-2",
        "access_key": "laptop",
        "secret_key": "laptop",
        "skip_credentials_validation": True,
        "skip_metadata_api_check": True,
        "skip_requesting_account_id": True,
        "endpoints": [dict.fromkeys(names, url)],
        "default_tags": [{"tags": TAGS}],
    }
    document = {
        "terraform": {"required_providers": {"aws": {"source": "hashicorp/aws", "version": "5.100.0"}}},
        "provider": {"aws": provider},
        "resource": _shared() | _services(services, changed),
    }
    (folder / "main.tf.json").write_text(json.dumps(document), encoding="utf-8")
    return folder


def _shared() -> dict[str, Any]:
    vpc = "${aws_vpc.main.id}"
    zones = {"public-a": ("a", "10.8.0.0/20"), "public-c": ("c", "10.8.16.0/20"), "tasks": ("a", "10.8.32.0/19")}
    tables = {name: {"vpc_id": vpc} for name in zones}
    routes = {
        name: {
            "route_table_id": f"${{aws_route_table.{name}.id}}",
            "destination_cidr_block": "0.0.0.0/0",
            "gateway_id": "${aws_internet_gateway.main.id}",
        }
        for name in zones
    }
    associations = {
        name: {"route_table_id": f"${{aws_route_table.{name}.id}}", "subnet_id": f"${{aws_subnet.{name}.id}}"}
        for name in zones
    }
    ingress = {
        "http": ("lb", {"cidr_ipv4": "203.0.113.0/24"}, 80),
        "test": ("lb", {"cidr_ipv4": "203.0.113.7/32"}, 9000),
        "task": ("task", {"referenced_security_group_id": "${aws_security_group.lb.id}"}, 80),
    }
    listeners = {
        name: {
            "load_balancer_arn": "${aws_lb.main.arn}",
            "port": port,
            "protocol": "HTTP",
            "default_action": [
                {"type": "fixed-response", "fixed_response": [{"content_type": "text/plain", "status_code": "404"}]}
            ],
        }
        for name, port in (("production", 80), ("test", 9000))
    }
    return {
        "aws_vpc": {"main": {"cidr_block": "10.8.0.0/16", "enable_dns_hostnames": True}},
        "aws_internet_gateway": {"main": {"vpc_id": vpc}},
        "aws_subnet": {
            name: {"vpc_id": vpc, "availability_zone": f"us-west-2{zone}", "cidr_block": cidr}
            for name, (zone, cidr) in zones.items()
        },
        "aws_route_table": tables,
        "aws_route": routes,
        "aws_route_table_association": associations,
        "aws_security_group": {
            name: {"vpc_id": vpc, "name": f"bench-{name}", "description": "bench"} for name in ("lb", "task")
        },
        "aws_vpc_security_group_ingress_rule": {
            name: {
                "security_group_id": f"${{aws_security_group.{group}.id}}",
                "ip_protocol": "tcp",
                "from_port": port,
                "to_port": port,
                **source,
            }
            for name, (group, source, port) in ingress.items()
        },
        "aws_vpc_security_group_egress_rule": {
            name: {
                "security_group_id": f"${{aws_security_group.{name}.id}}",
                "ip_protocol": "-1",
                "cidr_ipv4": "0.0.0.0/0",
            }
            for name in ("lb", "task")
        },
        "aws_ecs_cluster": {"main": {"name": stack.CLUSTER}},
        "aws_lb": {
            "main": {
                "name": "bench-alb",
                "load_balancer_type": "application",
                "subnets": ["${aws_subnet.public-a.id}", "${aws_subnet.public-c.id}"],
                "security_groups": ["${aws_security_group.lb.id}"],
            }
        },
        "aws_lb_listener": listeners,
    }


def _services(services: int, changed: int) -> dict[str, Any]:
    found: dict[str, dict[str, Any]] = {
        kind: {}
        for kind in (
            "aws_cloudwatch_log_group",
            "aws_iam_role",
            "aws_iam_role_policy",
            "aws_ecs_task_definition",
            "aws_lb_target_group",
            "aws_lb_listener_rule",
            "aws_ecs_service",
        )
    }
    trust = {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Principal": {"Service": "ecs-tasks.amazonaws.com"}, "Action": "sts:AssumeRole"}
        ],
    }
    policy = {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": ["logs:CreateLogStream", "logs:PutLogEvents"], "Resource": "*"}],
    }
    for number in range(1, services + 1):
        name = stack.service_name(number)
        found["aws_cloudwatch_log_group"][name] = {"name": f"/ecs/{name}", "retention_in_days": 30}
        found["aws_iam_role"][name] = {"name": f"{name}-execution", "assume_role_policy": json.dumps(trust)}
        found["aws_iam_role_policy"][name] = {
            "name": "execution",
            "role": f"${{aws_iam_role.{name}.name}}",
            "policy": json.dumps(policy),
        }
        container = {
            "name": "web",
            "image": stack.OTHER_IMAGE if number <= changed else stack.IMAGE,
            "essential": True,
            "portMappings": [{"containerPort": 80, "hostPort": 80, "protocol": "tcp"}],
            "environment": [{"name": "GREETING", "value": "hello"}, {"name": "NUMBER", "value": str(number)}],
            "logConfiguration": {
                "logDriver": "awslogs",
                "options": {
                    "awslogs-group": f"/ecs/{name}",
                    "awslogs-region": "us-west-2",
                    "awslogs-stream-prefix": "web",
                },
            },
        }
        found["aws_ecs_task_definition"][name] = {
            "family": name,
            "cpu": "256",
            "memory": "512",
            "network_mode": "awsvpc",
            "requires_compatibilities": ["FARGATE"],
            "execution_role_arn": f"${{aws_iam_role.{name}.arn}}",
            "container_definitions": json.dumps([container]),
            "depends_on": [f"aws_cloudwatch_log_group.{name}"],
        }
        for slot in (1, 2):
            found["aws_lb_target_group"][f"{name}-{slot}"] = {
                "name": f"{name}-{slot}",
                "port": 80,
                "protocol": "HTTP",
                "target_type": "ip",
                "vpc_id": "${aws_vpc.main.id}",
                "deregistration_delay": 30,
            }
        for listener in ("production", "test"):
            groups = [
                {"arn": f"${{aws_lb_target_group.{name}-{slot}.arn}}", "weight": weight}
                for slot, weight in ((1, 100), (2, 0))
            ]
            found["aws_lb_listener_rule"][f"{name}-{listener}"] = {
                "listener_arn": f"${{aws_lb_listener.{listener}.arn}}",
                "priority": number,
                "action": [{"type": "forward", "forward": [{"target_group": groups}]}],
                "condition": [{"path_pattern": [{"values": [f"/{name}/*"]}]}],
            }
        found["aws_ecs_service"][name] = {
            "name": name,
            "cluster": "${aws_ecs_cluster.main.id}",
            "task_definition": f"${{aws_ecs_task_definition.{name}.arn}}",
            "desired_count": 1,
            "launch_type": "FARGATE",
            "network_configuration": [
                {
                    "subnets": ["${aws_subnet.tasks.id}"],
                    "security_groups": ["${aws_security_group.task.id}"],
                    "assign_public_ip": True,
                }
            ],
            "load_balancer": [
                {
                    "target_group_arn": f"${{aws_lb_target_group.{name}-1.arn}}",
                    "container_name": "web",
                    "container_port": 80,
                }
            ],
            "depends_on": [f"aws_lb_listener_rule.{name}-production", "aws_route.tasks"],
        }
    return found
