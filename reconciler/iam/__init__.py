"""What the operator has to be allowed, and no more: an IAM policy made from the calls that the product makes.

source of the types, engines and the loop ──► calls.py ──► operations
specs, compiled ──► names and roles                             │
                                      rules.py (what IAM knows) ┴► statements.py ──► fit.py ──► the policy
"""

from reconciler.iam.fit import LARGEST, fitted, size
from reconciler.iam.statement import EVERYTHING, Statement
from reconciler.iam.statements import Extras, document, statements

__all__ = ["EVERYTHING", "LARGEST", "Extras", "Statement", "document", "fitted", "size", "statements"]
