"""Volumes of a task, and where its containers mount them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from reconciler.spec.documents.base import Block
from reconciler.spec.documents.references import RoleReference
from reconciler.spec.documents.values import Flag, KmsKey, Port, Reference, Whole, matching, problem

VolumeName = Annotated[str, *matching(r"[A-Za-z0-9_-]+", 255, "letters, digits, '_' and '-' only")]
AbsolutePath = Annotated[str, *matching(r"/[^\x00-\x1f]*", 1024, "an absolute path, beginning with /")]
FileSystemId = Annotated[
    str, *matching(r"fs-[0-9a-f]{8,40}", 43, "the id of a file system, such as fs-0123456789abcdef0")
]
AccessPointId = Annotated[
    str, *matching(r"fsap-[0-9a-f]{8,40}", 45, "the id of an access point, such as fsap-0123456789abcdef0")
]
SnapshotId = Annotated[
    str, *matching(r"snap-[0-9a-f]{8,40}", 45, "the id of a snapshot, such as snap-0123456789abcdef0")
]
S3FilesArn = Annotated[str, *matching(r"arn:aws[a-z-]*:s3files:[\x21-\x7e]+", 2048, "an ARN of S3 Files")]


class EfsVolume(Block):
    """A file system of Amazon EFS. All tasks that mount it have the same files."""

    file_system: FileSystemId
    """Its id, fs-…."""
    access_point: AccessPointId | None = None
    """The id of an access point, fsap-…, through which it is mounted."""
    root: AbsolutePath = "/"
    """The directory of the file system that is mounted. Not with `access_point`, which has its own."""
    iam: Flag = False
    """Mounts with the permissions of the task role. A generated role is given those that the mounts need."""
    transit_encryption: Flag = True
    """Encrypts what is sent between the task and the file system."""
    transit_encryption_port: Port | None = None
    """The port for encrypted traffic. Default: one that the mount helper of EFS chooses."""

    @model_validator(mode="after")
    def _encrypted(self) -> EfsVolume:
        if self.access_point is not None and self.root != "/":
            raise problem("E1112", "an access point has a root directory of its own", at=("root",))
        if not self.transit_encryption and (self.iam or self.access_point is not None):
            what = "iam" if self.iam else "access_point"
            raise problem("E1112", f"'{what}' needs transit encryption", at=("transit_encryption",))
        if not self.transit_encryption and self.transit_encryption_port is not None:
            raise problem("E1112", "there is no port without transit encryption", at=("transit_encryption_port",))
        return self


class EbsVolume(Block):
    """A volume of Amazon EBS, which ECS creates for each task and deletes with it."""

    size: Annotated[Whole, Field(ge=1, le=65536)] | None = None
    """GiB. Default: the size of the snapshot."""
    snapshot: SnapshotId | None = None
    """The snapshot that it is created from, snap-…. Default: it is empty."""
    type: Literal["gp2", "gp3", "io1", "io2", "sc1", "st1", "standard"] = "gp3"
    """Type of the volume."""
    iops: Annotated[Whole, Field(ge=100, le=256_000)] | None = None
    """Operations a second; only for gp3, io1 and io2. io1 and io2 need it."""
    throughput: Annotated[Whole, Field(ge=125, le=2000)] | None = None
    """MiB a second; only for gp3."""
    encrypted: Flag = True
    """Encrypts the volume."""
    kms_key: KmsKey | None = None
    """Default: the account's default key for EBS. The generated role may use it."""
    initialization_rate: Annotated[Whole, Field(ge=100, le=300)] | None = None
    """MiB a second at which the snapshot is loaded."""
    filesystem: Literal["ext3", "ext4", "xfs"] = "xfs"
    """How it is formatted. For a volume from a snapshot, the file system of the snapshot."""
    role: RoleReference | None = None
    """The role that ECS manages the volume with: a Role document or the ARN of a role. Default: one is generated."""

    @model_validator(mode="after")
    def _whole(self) -> EbsVolume:
        if self.size is None and self.snapshot is None:
            raise problem("E1103", "a volume of EBS needs 'size' or 'snapshot'")
        if self.type in ("io1", "io2") and self.iops is None:
            raise problem("E1103", f"a volume of type {self.type} needs 'iops'", at=("type",))
        if self.iops is not None and self.type not in ("gp3", "io1", "io2"):
            raise problem("E1112", f"a volume of type {self.type} has no 'iops'", at=("iops",))
        if self.throughput is not None and self.type != "gp3":
            raise problem("E1112", f"a volume of type {self.type} has no 'throughput'", at=("throughput",))
        if self.kms_key is not None and not self.encrypted:
            raise problem("E1112", "a volume with 'kms_key' is encrypted", at=("encrypted",))
        if self.initialization_rate is not None and self.snapshot is None:
            raise problem("E1112", "'initialization_rate' is for a snapshot", at=("initialization_rate",))
        return self


class S3FilesVolume(Block):
    """A file system of Amazon S3 Files."""

    file_system: S3FilesArn
    """Its ARN."""
    access_point: S3FilesArn | None = None
    """The ARN of an access point through which it is mounted."""
    root: AbsolutePath | None = None
    """The directory of the file system that is mounted. Default: its root."""
    transit_encryption_port: Port | None = None
    """The port for encrypted traffic. Default: one that the mount helper chooses."""


class Volume(Block):
    """A volume of a task. One without any fields is empty, and lasts as long as its task."""

    efs: EfsVolume | None = None
    """A file system of Amazon EFS."""
    ebs: EbsVolume | None = None
    """A volume of Amazon EBS for each task."""
    s3_files: S3FilesVolume | None = None
    """A file system of Amazon S3 Files."""

    @model_validator(mode="after")
    def _one_kind(self) -> Volume:
        given = [name for name in ("efs", "ebs", "s3_files") if getattr(self, name) is not None]
        if len(given) > 1:
            raise problem("E1112", f"a volume is either '{given[0]}' or '{given[1]}', not both", at=(given[1],))
        return self


class Mount(Block):
    """Where a container has a volume of the task."""

    volume: VolumeName
    """One of the task's `volumes`."""
    path: AbsolutePath
    """Where the container has it."""
    read_only: Flag = False
    """The container cannot write to it."""


class MountsFrom(Block):
    """A container whose mounts this one has, too; plain text is its name."""

    short_form = {"type": "string"}

    container: Reference
    """Another container of the task."""
    read_only: Flag = False
    """This container cannot write to them."""

    @model_validator(mode="before")
    @classmethod
    def _plain(cls, value: Any) -> Any:
        return {"container": value} if isinstance(value, str) else value


class Tmpfs(Block):
    """A file system in memory."""

    path: AbsolutePath
    """Where the container has it."""
    size: Annotated[Whole, Field(ge=1)]
    """MiB."""
    options: tuple[Annotated[str, *matching(r"[a-z]+(?:=[A-Za-z0-9]+)?", 64, "an option of mount")], ...] = ()
    """Options of mount, such as `noexec`."""
