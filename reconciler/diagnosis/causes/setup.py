"""Causes for tasks that cannot be set up: secrets, log groups, volumes, network interfaces."""

from __future__ import annotations

from typing import Final

from reconciler.diagnosis.causes.cause import DENIED, NO_ANSWER, Cause, Match

SECRET: Final = r"(?:from asm|from ssm|secrets? from|Secrets ?Manager|Parameter Store|pull secrets or registry auth).*"
LOGS: Final = r"(?:logger args|logging driver|Cloudwatch log|Amazon CloudWatch).*"
EFS: Final = r"(?:EFS utils|EFS volume).*"
INTERFACE: Final = r"(?:create|attach|tag the) network\s+interface.*"

SETUP: Final = (
    # -- logs: their texts are of the same making as those of secrets, so they come first
    Cause(
        "log-options",
        "the container's log options are not valid",
        "the log driver of {container} does not take its options",
        "give the task a logs block; awslogs needs a group and a region",
        (
            Match(said=r"awslogs-region is required"),
            Match(said=r"unable to get awslogs driver arguments"),
            Match(said=r"unknown log opt"),
        ),
    ),
    Cause(
        "log-group-missing",
        "the log group does not exist",
        "{log_group} does not exist, and nothing starts without it",
        "apply again to make it, or name one that is there",
        (Match(said=r"specified log group does not exist"),),
    ),
    Cause(
        "log-group-denied",
        "the log group must not be written to",
        "{role} may not write to {log_group}",
        "the execution role needs logs:CreateLogStream and logs:PutLogEvents on it",
        (
            Match(said=r"not authorized to perform:? (?P<action>logs:\w+)"),
            Match(said=LOGS + DENIED),
        ),
    ),
    Cause(
        "log-no-route",
        "the task has no way to CloudWatch Logs",
        "the task cannot reach CloudWatch Logs, and nothing starts without its log",
        "give its subnets a way out or an endpoint for logs, and let its security group out on 443",
        (Match(said=LOGS + NO_ANSWER), Match(said=r"logger args:.*signal: killed")),
    ),
    # -- secrets
    Cause(
        "secret-key-denied",
        "the secret's encryption key must not be used",
        "{role} may not decrypt {secret}",
        "the execution role needs kms:Decrypt on the key, and the key's policy has to let it",
        (
            Match(said=r"not authorized to perform:? kms:"),
            Match(said=r"Access to KMS is not allowed"),
            Match(said=SECRET + r"kms:Decrypt"),
        ),
    ),
    Cause(
        "secret-denied",
        "the secret must not be read",
        "{role} may not read {secret}",
        "the execution role needs secretsmanager:GetSecretValue or ssm:GetParameters on it",
        (
            Match(said=r"not authorized to perform:? (?P<action>(?:secretsmanager|ssm):\w+)"),
            Match(said=r"(?:from asm|from ssm|secretsmanager|Secrets Manager|Parameter Store).*" + DENIED),
        ),
    ),
    Cause(
        "secret-deleted",
        "the secret is about to be deleted",
        "{secret} is marked for deletion and cannot be read",
        "restore it (aws secretsmanager restore-secret), or refer to another one",
        (Match(said=r"secret .*marked for deletion"),),
    ),
    Cause(
        "secret-json-key",
        "the secret has no such key",
        "{secret} has no key {json_key}",
        "add the key to the secret's JSON, or refer to one that is there",
        (Match(said=r"did not contain json key (?P<json_key>\S+)"),),
    ),
    Cause(
        "secret-not-json",
        "the secret is not JSON",
        "a key of {secret} is asked for, but its value is not a JSON object",
        "store it as JSON, or refer to the whole secret",
        (Match(said=SECRET + r"(?:invalid character|unexpected end of JSON)"),),
    ),
    Cause(
        "secret-reference",
        "the reference to the secret is not valid",
        "{secret} is not how a secret or parameter is referred to",
        "write ssm:/path, secretsmanager:name, or the whole ARN",
        (
            Match(said=r"invalid ARN format for the AWS Secrets Manager"),
            Match(said=r"unexpected ARN format with parameters"),
            Match(said=SECRET + r"ValidationException:? Invalid name"),
        ),
    ),
    Cause(
        "secret-missing",
        "the secret does not exist",
        "{secret} does not exist in this account and region",
        "create it, or correct its name; a secret in another region is not found either",
        (
            Match(said=r"can't find the specified secret"),
            Match(said=SECRET + r"ResourceNotFoundException"),
            Match(said=r"ParameterNotFound"),
            Match(said=r"invalid (?:ssm )?parameters: (?P<secret>[^\s,]+)"),
        ),
    ),
    Cause(
        "environment-file",
        "the environment file could not be read",
        "the environment file of {container} could not be read from S3",
        "check its name, s3:GetObject for the execution role, and the subnets' way to S3",
        (Match(said=r"failed to download env files"), Match(said=r"environment variable files from Amazon S3")),
    ),
    Cause(
        "secret-no-route",
        "the task has no way to its secrets",
        "the task cannot reach {host} to get {secret}",
        "give its subnets a way out or endpoints for secretsmanager and ssm, and let its security group out on 443",
        (Match(said=SECRET + NO_ANSWER),),
    ),
    # -- volumes
    Cause(
        "efs-denied",
        "the file system refuses the task",
        "{file_system} does not let the task mount it",
        "its policy and the task role have to allow elasticfilesystem:ClientMount; check the access point",
        (
            Match(said=EFS + r"access denied by server"),
            Match(said=EFS + DENIED),
            Match(said=r"not authorized to perform:? elasticfilesystem:"),
        ),
    ),
    Cause(
        "efs-directory",
        "the directory on the file system does not exist",
        "{file_system} has no such directory",
        "create it, or mount through an access point that creates it",
        (Match(said=EFS + r"No such file or directory"),),
    ),
    Cause(
        "efs-name",
        "the file system's name leads nowhere",
        "{file_system} has no mount target in the task's zone, or the VPC resolves no names",
        "make a mount target in every zone of the task's subnets; the VPC needs DNS support and host names",
        (Match(said=EFS + r"Failed to resolve"),),
    ),
    Cause(
        "efs-no-route",
        "the task has no way to the file system",
        "{file_system} does not answer the task",
        "its security group has to let the task's in on 2049",
        (Match(said=EFS + r"(?:timed out|timeout|mount system call failed)"), Match(said=EFS + NO_ANSWER)),
    ),
    Cause(
        "disk-full",
        "the task's disk is full",
        "no space is left on the disk of {container}",
        "raise ephemeral_storage (GiB, up to 200), or make the image smaller",
        (Match(said=r"no space left on device"), Match(log=r"no space left on device")),
    ),
    # -- network interfaces
    Cause(
        "no-free-addresses",
        "the subnet has no free address",
        "{subnet} has no address left for the task's network interface",
        "let other tasks end, or place the service in larger or further subnets",
        (
            Match(said=r"InsufficientFreeAddressesInSubnet"),
            Match(said=r"(?:insufficient|not enough|not have enough|aren't sufficient) free (?:ipv4 )?address"),
            Match(said=r"Create Network Interface with public IP assignment enabled in subnet '?subnet-\w+'?\.?$"),
        ),
        counts=False,
    ),
    Cause(
        "network-missing",
        "a subnet or security group does not exist",
        "{name} does not exist, or is of another VPC",
        "apply again to put the network right; check the placement's subnets and security groups",
        (
            Match(said=r"(?P<name>sg-\w+)'? does not exist"),
            Match(said=r"(?P<name>subnet-\w+)'? does not exist"),
            Match(said=r"Invalid(?:Group|SubnetID|SecurityGroupID)\.?NotFound"),
        ),
    ),
    Cause(
        "network-denied",
        "the network interface must not be made",
        "ECS is not allowed to make the task's network interface",
        "check ECS's service-linked role, and the organisation's service control and tag policies",
        (Match(said=INTERFACE + r"(?:AuthFailure|UnauthorizedOperation|TagPolicyViolation|AccessDenied)"),),
    ),
    Cause(
        "network-timeout",
        "the network interface was not ready in time",
        "EC2 took too long to give the task its network interface",
        "nothing of yours: ECS tries again",
        (
            Match(said=r"Timeout waiting for network interface provisioning"),
            Match(said=r"network interface provision complete error timeout"),
            Match(said=r"failed to configure ENI"),
            Match(said=r"Unexpected EC2 error while attempting to attach network interface"),
            Match(said=r"Rate limit exceeded while preparing network interface"),
        ),
        counts=False,
    ),
)
