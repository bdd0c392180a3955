"""The champion of a model: the newest approved version whose imported model is there."""

from __future__ import annotations

import logging
from typing import Any, NamedTuple

from include.registry.errors import ChampionChangedError
from include.registry.imported import is_imported
from include.registry.sagemaker import SageMakerRegistry
from include.registry.versions import Candidate, ModelVersion

log = logging.getLogger(__name__)


class ChampionFound(NamedTuple):
    """The champion, and the newer approved versions that are not it.

    ``gone`` are those whose imported model was deleted, ``foreign`` those of other software, which name none.
    """

    champion: ModelVersion | None
    gone: tuple[ModelVersion, ...] = ()
    foreign: tuple[ModelVersion, ...] = ()

    @property
    def number(self) -> int | None:
        """The champion's version number."""
        return self.champion.number if self.champion else None


def find_champion(group: str, sagemaker: Any, bedrock: Any) -> ChampionFound:
    """Return the group's champion, and what was passed over to find it.

    Costs one call per hundred approved versions, and two per version that is looked at.

    Args:
        group: the model's name.
        sagemaker: a SageMaker client.
        bedrock: a Bedrock client, in the region of the imported models.
    """
    gone: list[ModelVersion] = []
    foreign: list[ModelVersion] = []
    champion = None
    for version in SageMakerRegistry(sagemaker).versions(group, "Approved"):
        if not version.imported_model_arn:
            foreign.append(version)
        elif version.retired or not is_imported(version, bedrock):
            log.warning("version %s of %s is approved, but its imported model is gone", version.number, group)
            gone.append(version)
        else:
            champion = version
            break
    return ChampionFound(champion, tuple(gone), tuple(foreign))


def check_champion(group: str, found: ChampionFound, seen: int | None, subject: Candidate | ModelVersion) -> None:
    """Refuse a decision about ``subject`` that was made against another champion than there is now.

    Args:
        group: the model's name.
        found: today's champion.
        seen: the number of the champion against which the decision was made; None when there was none.
        subject: what the decision is about.

    Raises:
        ChampionChangedError: the champion is neither the one seen nor a version of the subject's own content.
    """
    champion = found.champion
    if champion and champion.fingerprint == subject.fingerprint:
        return
    if found.number != seen:
        raise ChampionChangedError(group, subject, seen, champion)
