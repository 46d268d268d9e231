//! Documents and changes by number: what else is kept of a document or a change is kept under its
//! number, and its name is looked up once. Numbers are given in the order in which something was
//! found here; nothing that is told, kept or shown depends on them.

use std::collections::BTreeMap;

use super::Effects;
use crate::authority::ContentNo;
use crate::document::validate::ChangeIndex;
use crate::few::Few;
use crate::id::{ChangeHash, DocumentId};
use crate::index::Keys;

/// A document that events here make, by its dense number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct DocumentNo(u32);

/// A family of documents, by its dense number. `SPEC: BRA-2`
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct FamilyNo(u32);

/// A change with effect: its family, and its dense number there. What it depends on has lower ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ChangeNo {
    family: FamilyNo,
    number: u32,
}

impl FamilyNo {
    /// The number as an index.
    #[must_use]
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

impl DocumentNo {
    /// The number as an index.
    #[must_use]
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

impl ChangeNo {
    pub(super) fn new(family: FamilyNo, number: u32) -> Self {
        Self { family, number }
    }

    /// Its family.
    #[must_use]
    pub fn family(self) -> FamilyNo {
        self.family
    }

    /// Its number among the changes of the family.
    #[must_use]
    pub fn number(self) -> u32 {
        self.number
    }
}

/// The documents that events here make.
#[derive(Default)]
pub(super) struct Documents {
    numbers: BTreeMap<DocumentId, DocumentNo>,
    made: Vec<Made>,
    /// By the document that is no branch of others.
    families: BTreeMap<DocumentId, FamilyNo>,
    histories: Vec<History>,
    /// By which their changes are found.
    keys: Keys,
}

/// A document that was made.
pub(super) struct Made {
    id: DocumentId,
    pub(super) family: FamilyNo,
    /// The events that make it: one, unless its author forked.
    pub(super) by: Few<ContentNo>,
    /// Its own changes, in the order in which they were judged: causes first.
    pub(super) own: Vec<u32>,
}

/// What is known of the changes of a document, and of all its branches. `SPEC: BRA-2`
#[derive(Default)]
pub(super) struct History {
    pub(super) index: ChangeIndex,
    /// What each change depends on and makes, and what carries it.
    pub(super) links: Vec<Links>,
    /// How many documents they are.
    pub(super) documents: usize,
    /// The numbers of actors at which there are several changes, which their device forked, with
    /// those: of equal numbers by actor.
    pub(super) forked: BTreeMap<(u32, [u8; 16]), Vec<u32>>,
}

/// Of which document a change is, which events carry it, what it depends on, how many keys and
/// objects it makes, and whether its document too.
pub(super) struct Links {
    pub(super) document: DocumentNo,
    pub(super) carriers: Few<ContentNo>,
    /// In the order of their hashes.
    pub(super) deps: Few<u32>,
    pub(super) makes: u32,
    pub(super) begins: bool,
}

impl Documents {
    /// Finds changes under these keys from here on.
    fn rekey(&mut self, keys: &Keys) {
        self.keys = keys.clone();
        self.histories.iter_mut().for_each(|history| history.index.rekey(keys));
    }

    pub(super) fn number(&self, id: &DocumentId) -> Option<DocumentNo> {
        self.numbers.get(id).copied()
    }

    /// Those by id.
    pub(super) fn all(&self) -> impl Iterator<Item = (&DocumentId, DocumentNo)> {
        self.numbers.iter().map(|(id, number)| (id, *number))
    }

    pub(super) fn of(&self, document: DocumentNo) -> &Made {
        &self.made[document.index()]
    }

    pub(super) fn id(&self, document: DocumentNo) -> DocumentId {
        self.of(document).id
    }

    /// An event makes a document of this family.
    pub(super) fn make(&mut self, id: DocumentId, family: DocumentId, by: ContentNo) -> DocumentNo {
        let next = FamilyNo(to_number(self.histories.len()));
        let family = *self.families.entry(family).or_insert(next);
        if family == next {
            let mut history = History::default();
            history.index.rekey(&self.keys);
            self.histories.push(history);
        }
        let next = DocumentNo(to_number(self.made.len()));
        let number = *self.numbers.entry(id).or_insert(next);
        if number == next {
            self.made.push(Made { id, family, by: Few::new(), own: Vec::new() });
            self.histories[family.index()].documents += 1;
        }
        self.made[number.index()].by.push(by);
        number
    }

    pub(super) fn family_named(&self, first: &DocumentId) -> Option<&History> {
        Some(self.history(*self.families.get(first)?))
    }

    pub(super) fn history(&self, family: FamilyNo) -> &History {
        &self.histories[family.index()]
    }

    /// The changes of a family, and what was made of it.
    pub(super) fn of_mut(&mut self, document: DocumentNo) -> (&mut Made, &mut History) {
        let made = &mut self.made[document.index()];
        let history = &mut self.histories[made.family.index()];
        (made, history)
    }

    /// All families with their changes.
    pub(super) fn histories(&self) -> impl Iterator<Item = (FamilyNo, &History)> {
        self.histories.iter().enumerate().map(|(at, of)| (FamilyNo(to_number(at)), of))
    }
}

fn to_number(len: usize) -> u32 {
    u32::try_from(len).unwrap_or(u32::MAX)
}

impl Effects {
    /// Finds changes under these keys from here on.
    pub(crate) fn rekey(&mut self, keys: &Keys) {
        self.documents.rekey(keys);
    }

    /// The number of a document that events here make.
    #[must_use]
    pub fn document_number(&self, document: &DocumentId) -> Option<DocumentNo> {
        self.documents.number(document)
    }

    /// The documents that events here make, by id.
    pub fn documents(&self) -> impl Iterator<Item = (&DocumentId, DocumentNo)> {
        self.documents.all()
    }

    /// The name of a document.
    #[must_use]
    pub fn document_id(&self, document: DocumentNo) -> DocumentId {
        self.documents.id(document)
    }

    /// The family of a document.
    #[must_use]
    pub fn family(&self, document: DocumentNo) -> FamilyNo {
        self.documents.of(document).family
    }

    /// The number of a change of this document or of its family.
    #[must_use]
    pub fn number(&self, document: &DocumentId, change: &ChangeHash) -> Option<ChangeNo> {
        let family = self.family(self.document_number(document)?);
        let number = self.documents.history(family).index.number(&automerge_hash(change))?;
        Some(ChangeNo { family, number })
    }

    /// The name of a change.
    #[must_use]
    pub fn hash(&self, change: ChangeNo) -> ChangeHash {
        self.documents.history(change.family).index.hash(change.number)
    }

    pub(super) fn links(&self, change: ChangeNo) -> &Links {
        &self.documents.history(change.family).links[change.number as usize]
    }

    /// The document that a change was written to.
    #[must_use]
    pub fn document_of(&self, change: ChangeNo) -> DocumentNo {
        self.links(change).document
    }

    /// A change as it is named across documents.
    #[must_use]
    pub fn name(&self, change: ChangeNo) -> (DocumentId, ChangeHash) {
        (self.document_id(self.document_of(change)), self.hash(change))
    }

    /// The events that make a document.
    #[must_use]
    pub fn made_by(&self, document: DocumentNo) -> &[ContentNo] {
        &self.documents.of(document).by
    }

    /// The event that carries a change; of several the first here.
    #[must_use]
    pub fn carrier(&self, change: ChangeNo) -> Option<ContentNo> {
        self.carriers(change).first().copied()
    }

    /// The events that carry a change.
    #[must_use]
    pub fn carriers(&self, change: ChangeNo) -> &[ContentNo] {
        &self.links(change).carriers
    }

    /// What a change with effect depends on, in the order of their hashes. `SPEC: SYNC-9`
    pub fn deps(&self, change: ChangeNo) -> impl Iterator<Item = ChangeNo> + '_ {
        let deps = self.links(change).deps.iter();
        deps.map(move |number| ChangeNo { number: *number, ..change })
    }

    /// The changes with effect that were written to a document, causes first.
    pub fn order(&self, document: DocumentNo) -> impl Iterator<Item = ChangeNo> + '_ {
        let made = self.documents.of(document);
        made.own.iter().map(|number| ChangeNo { family: made.family, number: *number })
    }

    /// How many keys and objects a change with effect makes, and does it make its document?
    /// `SPEC: DOC-29, PRJ-1`
    #[must_use]
    pub fn makes(&self, change: ChangeNo) -> (u64, bool) {
        let links = self.links(change);
        (links.makes.into(), links.begins)
    }

    /// How many operations a change with effect holds.
    #[must_use]
    pub fn operations(&self, change: ChangeNo) -> usize {
        self.documents.history(change.family()).index.operations(change.number())
    }

    /// Is it a change with effect that makes its document? `SPEC: PRJ-1`
    #[must_use]
    pub fn begins(&self, change: ChangeNo) -> bool {
        self.links(change).begins
    }
}

pub(super) fn automerge_hash(change: &ChangeHash) -> automerge::ChangeHash {
    automerge::ChangeHash(change.0)
}

#[cfg(test)]
impl DocumentNo {
    /// The document of a number, for tests of what is kept by number.
    pub(crate) fn numbered(number: u32) -> Self {
        Self(number)
    }
}

#[cfg(test)]
impl ChangeNo {
    /// The change of a number, for tests of what is kept by number.
    pub(crate) fn numbered(family: u32, number: u32) -> Self {
        Self::new(FamilyNo(family), number)
    }
}
