"""What the audit pages store. Features keep their models in their own folder; this module makes them known to Django."""

from __future__ import annotations

from audit.alerts import models as _alerts_models  # noqa: F401
from audit.compliance import models as _compliance_models  # noqa: F401
