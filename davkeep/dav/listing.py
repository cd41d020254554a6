"""What a PROPFIND tells of a tree: one ``response`` after the other, as text."""

import os
import stat
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

from davkeep.dav.form import Form, Question, Told
from davkeep.dav.lockdiscovery import active_locks
from davkeep.dav.properties import space_at
from davkeep.dav.shares import Provider
from davkeep.dav.site import Site
from davkeep.dav.stored import AT_ONCE, NOTHING, About, Stored
from davkeep.trees.listing import Part, walk
from davkeep.trees.share import Entry, Kind, kind_of
from davkeep.words.fields import Depth
from davkeep.words.urls import Segments, quote_segment


class Target(NamedTuple):
    """What a URL leads to: its status, and its real names in the share."""

    status: os.stat_result
    real: Segments

    @classmethod
    def of(cls, entry: Entry) -> "Target":
        """Examine an entry; raises as ``Entry.stat``."""
        return cls(entry.stat(), entry.segments)


class Listing:
    """The answers of members to one question.

    A share that lies in another one by its URL is a member there; what the folder of the outer one
    has under that name cannot be reached by any URL and is not shown. ``may_use`` tells whether the
    inner one is open to the user.
    """

    def __init__(self, site: Site, question: Question, may_use: Callable[[Provider], bool]) -> None:
        """Nothing is read yet."""
        self._site = site
        self._question = question
        self._may_use = may_use
        self._shown: set[Provider] = set()

    def responses(
        self, provider: Provider, segments: Segments, target: Target, depth: Depth
    ) -> Iterator[str]:
        """Tell of a target, and of what is below it to ``depth``.

        Collections below that cannot be read, and members that vanish, are left out. Raises OSError
        for anything else that fails, after which nothing more may be told as if it was all.
        """
        describe = _Describer(self._site, provider, self._question, target.real)
        yield describe.target(segments, target)
        if kind_of(target.status) is not Kind.COLLECTION or depth == "0":
            return

        infinity = depth == "infinity"
        inner = self._shares_in(provider, segments)
        for part in walk(
            provider.share, segments, target.real, infinity=infinity, leave_out=inner.__contains__
        ):
            here = {path[-1]: each for path, each in inner.items() if path[:-1] == part.segments}
            yield from describe.members(part, here)
            for each in here.values():
                yield from self._share(each, depth if infinity else "0")

    def _shares_in(self, provider: Provider, segments: Segments) -> Mapping[Segments, Provider]:
        """The shares below a URL path in the share of ``provider``, by their paths in it."""
        above = len(provider.segments)
        below = self._site.shares.below(provider.segments + segments)
        return {share.segments[above:]: share for share in below}

    def _share(self, provider: Provider, depth: Depth) -> Iterator[str]:
        """Tell of a share in another one, once, where the user may see it."""
        if provider in self._shown or provider not in self._site.shares.visible:
            return
        self._shown.add(provider)
        if self._may_use(provider):
            target = provider.share.read((), Target.of)
            yield from self.responses(provider, (), target, depth)


class _Describer:
    """Writes the ``response`` elements of a tree in one share."""

    def __init__(self, site: Site, provider: Provider, question: Question, root: Segments) -> None:
        """``root``: real names of the top of the tree."""
        self._site = site
        self._provider = provider
        self._question = question
        self._stored = Stored(site, provider.share.key_of(root))
        #: By the type of file, as in ``st_mode``.
        self._forms: dict[int, Form] = {}

    def target(self, segments: Segments, target: Target) -> str:
        """The top of the tree; the root of a share has the name that its URL ends in."""
        form = self._form(target.status)
        names = self._provider.segments + segments
        href = self._provider.href(segments, form.is_collection)
        told = Told(href, names[-1] if names else "", target.status)
        return self._with_stored(form, told, target.real)

    def members(self, part: Part, without: Mapping[str, object]) -> Iterator[str]:
        """The members of a collection, except those with the names in ``without``."""
        above = self._provider.href(part.segments, collection=True)
        folder = self._provider.share.key_of(part.real)
        for start in range(0, len(part.members), AT_ONCE):
            some = part.members[start : start + AT_ONCE]
            covering, own = self._stored.of_members(folder, [name for name, _, _ in some])
            usual = active_locks(covering, self._site.now())
            for name, status, real in some:
                if name in without:
                    continue
                form = self._form(status)
                href = above + quote_segment(name) + form.slash
                told = Told(href, name, status)
                if real is not None:
                    yield self._with_stored(form, told, real)
                elif name in own or form.is_of_space:
                    dead, locks = own.get(name, NOTHING)
                    about = About(dead, covering + locks)
                    yield self._with_stored(form, told, (*part.real, name), about)
                else:
                    yield form.response(told, usual, {})

    def _with_stored(
        self, form: Form, told: Told, real: Segments, about: About | None = None
    ) -> str:
        """The answer of a member with all that is stored about it, asked for if it is not given."""
        share = self._provider.share
        about = self._stored.of(share.key_of(real)) if about is None else about
        space = space_at(share.path_of(real)) if form.is_of_space else {}
        extra = {**about.dead, **space} if space else about.dead
        return form.response(told, active_locks(about.locks, self._site.now()), extra)

    def _form(self, status: os.stat_result) -> Form:
        file_type = stat.S_IFMT(status.st_mode)
        form = self._forms.get(file_type)
        if form is None:
            form = Form(self._question, kind_of(status), readonly=self._provider.is_readonly())
            self._forms[file_type] = form
        return form
