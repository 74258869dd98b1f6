"""Who may use the sandbox: organizations, known by the key that their requests show."""

import secrets
from uuid import uuid4

from gateway.sandbox.documents import MAIN_ORGANIZATION, Document
from gateway.sandbox.store import Tables


class Organizations:
    """Every organization's key. Lives as long as the sandbox."""

    def __init__(self) -> None:
        self._keys: dict[str, str] = {}

    def load(self, tables: Tables) -> None:
        """Learn the keys that a database knows."""
        self._keys = {document["_api_key"]: document["id"] for document in tables.of("organization")}

    def of_key(self, key: str) -> str | None:
        """Return whose key it is."""
        given = key.encode(errors="surrogateescape")
        found = None
        for known, organization_id in self._keys.items():
            if secrets.compare_digest(given, known.encode()):
                found = organization_id
        return found

    def is_taken(self, key: str) -> bool:
        """Return True when an organization has this key already."""
        return key in self._keys

    def add(
        self, tables: Tables, name: str, key: str, at: str, organization_id: str | None = None
    ) -> Document:
        """Add an organization, or give a known one a new key.

        Args:
            at: when it is made.
        """
        document_id = organization_id or str(uuid4())
        known = tables.get("organization", document_id) or {"id": document_id, "name": name, "created_at": at}
        document = {**known, "_api_key": key}
        tables.put("organization", document, document_id)
        self._keys = {known: owner for known, owner in self._keys.items() if owner != document_id}
        self._keys[key] = document_id
        return document


def main_key(tables: Tables) -> str | None:
    """Return the key that the sandbox itself had when the database was last used; None for a new one."""
    document = tables.get("organization", MAIN_ORGANIZATION)
    return None if document is None else str(document["_api_key"])
