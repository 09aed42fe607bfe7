"""CI workflows: the plan as a comment on each change that is proposed, and an apply of what is merged into main."""

from __future__ import annotations

from collections.abc import Mapping
from string import Template
from typing import Final

_GITHUB: Final = Template("""\
# Comments the plan on each pull request, and applies what is merged into main.
#
# Set in the repository: the variables PLAN_ROLE (read permissions only: any pull request is planned with it) and
# APPLY_ROLE, the ARNs of two roles that trust GitHub's OIDC provider. `reconciler iam-policy $folder` prints what
# APPLY_ROLE needs. Replace OWNER and COMMIT by where the action comes from.
name: $name
on:
  pull_request:
    paths: ["$folder/**"]
  push:
    branches: [main]
    paths: ["$folder/**"]
permissions:
  contents: read
  id-token: write        # to assume the AWS role
jobs:
  plan:
    if: github.event_name == 'pull_request'
    runs-on: ubuntu-24.04
    timeout-minutes: 10
    permissions:
      contents: read
      id-token: write
      pull-requests: write   # to write the comment
    concurrency:
      group: $name-plan-$${{ github.event.pull_request.number }}
      cancel-in-progress: true
    steps:
      - uses: actions/checkout@v4
        with:
          persist-credentials: false
          fetch-depth: 0   # to tell drift from what the pull request changes
      - uses: actions/setup-python@v5
        with:
          python-version: "3.12"
      - uses: aws-actions/configure-aws-credentials@v4
        if: github.event.pull_request.head.repo.full_name == github.repository
        with:
          role-to-assume: $${{ vars.PLAN_ROLE }}
          aws-region: $region
      - uses: OWNER/reconciler@COMMIT
        with:
          folder: $folder
          base: $${{ github.event.pull_request.base.sha }}   # what is merged was applied

  apply:
    if: github.event_name == 'push'
    runs-on: ubuntu-24.04
    timeout-minutes: 60
    concurrency: $name-apply   # one at a time, and none is interrupted
    steps:
      - uses: actions/checkout@v4
        with:
          persist-credentials: false
      - uses: actions/setup-python@v5
        with:
          python-version: "3.12"
      - uses: aws-actions/configure-aws-credentials@v4
        with:
          role-to-assume: $${{ vars.APPLY_ROLE }}
          aws-region: $region
      - uses: OWNER/reconciler@COMMIT
        id: reconciler
        with:
          folder: $folder
          diff: "false"
      - name: Apply
        env:
          PYTHON: $${{ steps.reconciler.outputs.python }}
        run: |
          "$$PYTHON" -I -m reconciler apply --auto-approve --wait -- $folder
""")

_GITLAB: Final = Template("""\
# Comments the plan on each merge request, and applies what is merged into main. Include it in .gitlab-ci.yml:
#   include: {local: $path}
#
# Set in the project: the variables PLAN_ROLE (read permissions only) and APPLY_ROLE, the ARNs of two roles that trust
# GitLab's OIDC provider, and the masked variable COMMENT_TOKEN, a project access token with the scope `api`.
# `reconciler iam-policy $folder` prints what APPLY_ROLE needs. Replace OWNER and COMMIT by where reconciler comes from.
.$name-reconciler:
  image: python:3.12-slim
  id_tokens:
    AWS_TOKEN: {aud: sts.amazonaws.com}
  variables:
    AWS_REGION: $region
    AWS_WEB_IDENTITY_TOKEN_FILE: /tmp/aws-token
    AWS_ROLE_SESSION_NAME: gitlab-$$CI_PIPELINE_ID
  before_script:
    - printf %s "$$AWS_TOKEN" > "$$AWS_WEB_IDENTITY_TOKEN_FILE"
    - pip install --quiet "https://github.com/OWNER/reconciler/archive/COMMIT.tar.gz"

$name-plan:
  extends: .$name-reconciler
  variables:
    GIT_DEPTH: 0   # to tell drift from what the merge request changes
  rules:
    - if: $$CI_PIPELINE_SOURCE == "merge_request_event"
      changes: ["$folder/**/*"]
  script:
    - reconciler validate $folder
    - export AWS_ROLE_ARN="$$PLAN_ROLE"
    - code=0; reconciler diff -o markdown --base "$$CI_MERGE_REQUEST_DIFF_BASE_SHA" $folder > plan.md || code=$$?
    - cat plan.md
    - |
      if [ -n "$${COMMENT_TOKEN:-}" ]; then
        python3 - <<'COMMENT'
      import json, os, urllib.request
      url = "{CI_API_V4_URL}/projects/{CI_PROJECT_ID}/merge_requests/{CI_MERGE_REQUEST_IID}/notes".format(**os.environ)
      headers = {"PRIVATE-TOKEN": os.environ["COMMENT_TOKEN"], "Content-Type": "application/json"}
      marker = "<!-- reconciler:plan:$folder -->"
      with open("plan.md", encoding="utf-8") as file:
          body = json.dumps({"body": marker + "\\n" + file.read()[:900_000]}).encode()
      listed = urllib.request.Request(url + "?per_page=100", headers=headers)
      with urllib.request.urlopen(listed, timeout=30) as answer:
          notes = [note["id"] for note in json.load(answer) if note["body"].startswith(marker)]
      method, url = ("PUT", f"{url}/{notes[0]}") if notes else ("POST", url)
      urllib.request.urlopen(urllib.request.Request(url, body, headers, method=method), timeout=30).close()
      COMMENT
      fi
    - case "$$code" in 0|2) exit 0 ;; *) exit "$$code" ;; esac   # 2: there are changes; 5: the plan is blocked

$name-apply:
  extends: .$name-reconciler
  resource_group: $name-apply   # one at a time
  rules:
    - if: $$CI_COMMIT_BRANCH == "main"
      changes: ["$folder/**/*"]
  script:
    - export AWS_ROLE_ARN="$$APPLY_ROLE"
    - reconciler apply --auto-approve --wait $folder
""")

PATHS: Final[Mapping[str, str]] = {"github": ".github/workflows/$name.yml", "gitlab": ".gitlab/$name.yml"}
_TEXTS: Final = {"github": _GITHUB, "gitlab": _GITLAB}


def workflow(provider: str, folder: str, region: str) -> tuple[str, str]:
    """Path in the repository, and text. `folder` is the specs folder, from the repository's root."""
    name = folder.replace("/", "-")
    path = Template(PATHS[provider]).substitute(name=name)
    return path, _TEXTS[provider].substitute(folder=folder, name=name, region=region, path=path)
