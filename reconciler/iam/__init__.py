"""What the operator has to be allowed, and no more: an IAM policy made from the calls that the product makes.

source of the types, engines and the loop ──► calls.py ──► operations
specs, compiled ──► names and roles                             │
                                      rules.py (what IAM knows) ┴► statements.py ──► fit.py ──► the policy
"""

from reconciler.iam.fit import LARGEST, fitted, size
from reconciler.iam.people import COMMANDS, WITHOUT_AWS, WITHOUT_SPECS, personal_statements
from reconciler.iam.statement import EVERYTHING, Statement
from reconciler.iam.statements import Extras, document, statements

__all__ = [
    "COMMANDS",
    "EVERYTHING",
    "LARGEST",
    "WITHOUT_AWS",
    "WITHOUT_SPECS",
    "Extras",
    "Statement",
    "document",
    "fitted",
    "personal_statements",
    "size",
    "statements",
]
