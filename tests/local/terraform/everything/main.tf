# What teams build around ECS: private subnets, endpoints, HTTPS, rules of every kind, other deployment controllers,
# scaling, a schedule and a registry.

terraform {
  required_providers {
    aws = { source = "hashicorp/aws", version = "5.100.0" }
  }
}

variable "region" { type = string }
variable "image" { type = string }
variable "desired_count" { type = number }
variable "team" { type = string }
variable "certificate" { type = string }
variable "private_key" { type = string }

provider "aws" {
  region                      = var.region
  access_key                  = "laptop"
  secret_key                  = "laptop"
  skip_credentials_validation = true
  skip_metadata_api_check     = true
  default_tags { tags = { team = var.team } }
}

data "aws_availability_zones" "here" { state = "available" }
data "aws_caller_identity" "me" {}
