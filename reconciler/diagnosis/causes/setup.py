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
        "the log driver of {container} does not accept its options",
        "add a logs block to the task; awslogs needs a group and a region",
        (
            Match(said=r"awslogs-region is required"),
            Match(said=r"unable to get awslogs driver arguments"),
            Match(said=r"unknown log opt"),
        ),
    ),
    Cause(
        "log-group-missing",
        "the log group does not exist",
        "{log_group} does not exist, and tasks do not start without it",
        "run `reconciler apply` to create it, or use an existing one",
        (Match(said=r"specified log group does not exist"),),
    ),
    Cause(
        "log-group-denied",
        "access to the log group is denied",
        "{role} is not allowed to write to {log_group}",
        "grant the execution role logs:CreateLogStream and logs:PutLogEvents on it",
        (
            Match(said=r"not authorized to perform:? (?P<action>logs:\w+)"),
            Match(said=LOGS + DENIED),
        ),
    ),
    Cause(
        "log-no-route",
        "the task cannot reach CloudWatch Logs",
        "the task cannot reach CloudWatch Logs, and does not start without it",
        "give its subnets outbound access or an endpoint for logs, and allow outbound port 443 in its security group",
        (Match(said=LOGS + NO_ANSWER), Match(said=r"logger args:.*signal: killed")),
    ),
    # -- secrets
    Cause(
        "secret-key-denied",
        "access to the secret's encryption key is denied",
        "{role} is not allowed to decrypt {secret}",
        "grant the execution role kms:Decrypt on the key, also in the key policy",
        (
            Match(said=r"not authorized to perform:? kms:"),
            Match(said=r"Access to KMS is not allowed"),
            Match(said=SECRET + r"kms:Decrypt"),
        ),
    ),
    Cause(
        "secret-denied",
        "access to the secret is denied",
        "{role} is not allowed to read {secret}",
        "grant the execution role secretsmanager:GetSecretValue or ssm:GetParameters on it",
        (
            Match(said=r"not authorized to perform:? (?P<action>(?:secretsmanager|ssm):\w+)"),
            Match(said=r"(?:from asm|from ssm|secretsmanager|Secrets Manager|Parameter Store).*" + DENIED),
        ),
    ),
    Cause(
        "secret-deleted",
        "the secret is scheduled for deletion",
        "{secret} is scheduled for deletion and cannot be read",
        "restore it (aws secretsmanager restore-secret), or refer to another one",
        (Match(said=r"secret .*marked for deletion"),),
    ),
    Cause(
        "secret-json-key",
        "the secret has no such key",
        "{secret} has no key {json_key}",
        "add the key to the secret's JSON, or use an existing one",
        (Match(said=r"did not contain json key (?P<json_key>\S+)"),),
    ),
    Cause(
        "secret-not-json",
        "the secret is not JSON",
        "the task reads a key of {secret}, but its value is not a JSON object",
        "store it as JSON, or refer to the whole secret",
        (Match(said=SECRET + r"(?:invalid character|unexpected end of JSON)"),),
    ),
    Cause(
        "secret-reference",
        "the reference to the secret is not valid",
        "{secret} is not a valid reference to a secret or parameter",
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
        "create it, or correct its name; secrets in other regions cannot be used",
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
        "check its name, s3:GetObject for the execution role, and the subnets' access to S3",
        (Match(said=r"failed to download env files"), Match(said=r"environment variable files from Amazon S3")),
    ),
    Cause(
        "secret-no-route",
        "the task cannot reach its secrets",
        "the task cannot reach {host} to read {secret}",
        "give its subnets outbound access or endpoints for secretsmanager and ssm, and allow outbound port 443",
        (Match(said=SECRET + NO_ANSWER),),
    ),
    # -- volumes
    Cause(
        "efs-denied",
        "access to the file system is denied",
        "the task is not allowed to mount {file_system}",
        "allow elasticfilesystem:ClientMount in its policy and the task role, and check the access point",
        (
            Match(said=EFS + r"access denied by server"),
            Match(said=EFS + DENIED),
            Match(said=r"not authorized to perform:? elasticfilesystem:"),
        ),
    ),
    Cause(
        "efs-directory",
        "the directory on the file system does not exist",
        "the directory does not exist on {file_system}",
        "create it, or mount through an access point that creates it",
        (Match(said=EFS + r"No such file or directory"),),
    ),
    Cause(
        "efs-name",
        "the file system's name cannot be resolved",
        "{file_system} has no mount target in the task's zone, or DNS is disabled in the VPC",
        "create a mount target in every zone of the task's subnets; the VPC needs DNS support and host names",
        (Match(said=EFS + r"Failed to resolve"),),
    ),
    Cause(
        "efs-no-route",
        "the task cannot reach the file system",
        "the task cannot connect to {file_system}",
        "allow the task's security group on port 2049 of the file system",
        (Match(said=EFS + r"(?:timed out|timeout|mount system call failed)"), Match(said=EFS + NO_ANSWER)),
    ),
    Cause(
        "disk-full",
        "the task's disk is full",
        "no disk space is left for {container}",
        "raise ephemeral_storage (GiB, up to 200), or use a smaller image",
        (Match(said=r"no space left on device"), Match(log=r"no space left on device")),
    ),
    # -- network interfaces
    Cause(
        "no-free-addresses",
        "the subnet has no free address",
        "{subnet} has no free address for the task's network interface",
        "stop other tasks, or place the service in larger or additional subnets",
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
        "{name} does not exist, or belongs to another VPC",
        "run `reconciler apply` to restore the network; check the subnets and security groups in placement",
        (
            Match(said=r"(?P<name>sg-\w+)'? does not exist"),
            Match(said=r"(?P<name>subnet-\w+)'? does not exist"),
            Match(said=r"Invalid(?:Group|SubnetID|SecurityGroupID)\.?NotFound"),
        ),
    ),
    Cause(
        "network-denied",
        "the network interface cannot be created",
        "ECS is not allowed to create the task's network interface",
        "check the service-linked role of ECS, and the organization's service control and tag policies",
        (Match(said=INTERFACE + r"(?:AuthFailure|UnauthorizedOperation|TagPolicyViolation|AccessDenied)"),),
    ),
    Cause(
        "network-timeout",
        "the network interface was not ready in time",
        "EC2 took too long to attach the task's network interface",
        "no action needed: ECS retries",
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
