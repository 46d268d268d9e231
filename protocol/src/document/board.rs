//! Links from the root to documents of their own, and the way along them.
//!
//! A link is a map with the `document` that it names, at `boards/NAME` or `missions/ID` of the
//! root. A path that begins with one goes on in that document. Where two devices made a board of
//! one name apart, the place has two links: a conflict, and both are reached by their ids.

use automerge::{Automerge, ObjType, ROOT, ReadDoc as _, Value};
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};

use super::branch::BranchLink;
use super::path::{DocPath, PathFault};
use super::read::{ReadValue, Seen};
use super::{Documents, Edit, EditFault, is_unshowable};
use crate::id::{ChangeHash, DocumentId, EventId};
use crate::limits::NAME_BYTES_MAX;

/// The map of the root that links boards.
pub(super) const BOARDS: &str = "boards";
/// The map of the root that links branches.
pub(super) const BRANCHES: &str = "branches";
/// The map of the root that links the documents of missions.
pub(super) const MISSIONS: &str = "missions";

/// Why something is no name of a board or branch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NameFault {
    /// Nothing, or too much.
    #[error("a name has 1 to {NAME_BYTES_MAX} bytes, without spaces around it")]
    Length,
    /// It would be two segments of a path.
    #[error("a name has no `/`")]
    Slash,
    /// What hides or reorders what a person reads.
    #[error("a name has no control characters, and none that reorder text")]
    Control,
    /// It would hide the document that has this id.
    #[error("a name is not the id of a document")]
    Id,
}

/// May a board or branch be named so? `SPEC: PRJ-9, BRA-3`
pub fn check_name(name: &str) -> Result<(), NameFault> {
    if name.trim().is_empty() || name.len() > NAME_BYTES_MAX || name.trim() != name {
        return Err(NameFault::Length);
    }
    if name.contains('/') {
        return Err(NameFault::Slash);
    }
    if name.chars().any(is_unshowable) {
        return Err(NameFault::Control);
    }
    if name.parse::<DocumentId>().is_ok() { Err(NameFault::Id) } else { Ok(()) }
}

/// A change of a link.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Link {
    /// To a board, where nothing is at that name.
    Board {
        /// Its name.
        name: String,
        /// Its document.
        document: DocumentId,
    },
    /// To the document of a mission.
    Mission {
        /// Which.
        id: EventId,
        /// Its document.
        document: DocumentId,
    },
    /// To a branch, where nothing is at that name.
    Branch {
        /// Its name.
        name: String,
        /// Its document.
        document: DocumentId,
        /// What it is a branch of.
        of: DocumentId,
        /// What it is for.
        purpose: String,
    },
    /// A branch is put away, or is brought back.
    ArchiveBranch {
        /// Its name.
        name: String,
        /// Is it put away?
        archived: bool,
    },
    /// A board is put away, or is brought back.
    Archive {
        /// Its name.
        name: String,
        /// Is it put away?
        archived: bool,
    },
}

impl Link {
    /// The edit that makes it; `read` reads the root.
    pub(super) fn edit(
        &self,
        read: impl Fn(&DocPath) -> Option<ReadValue>,
    ) -> Result<Edit, EditFault> {
        let failed = |fault: PathFault| EditFault::Document(fault.to_string());
        let place = |map: &str, name: &str| DocPath::default().child(map)?.child(name);
        match self {
            Self::Board { name, document } => {
                let set = place(BOARDS, name).map_err(failed)?;
                if read(&set).is_some() {
                    return Err(EditFault::BoardExists(name.clone()));
                }
                Ok(Edit::Set { set, value: json!({ "document": document, "archived": false }) })
            }
            Self::Mission { id, document } => {
                let set = place(MISSIONS, &id.to_string()).map_err(failed)?;
                Ok(Edit::Set { set, value: json!({ "document": document }) })
            }
            Self::Branch { name, document, of, purpose } => {
                let set = place(BRANCHES, name).map_err(failed)?;
                if read(&set).is_some() {
                    return Err(EditFault::BranchExists(name.clone()));
                }
                let value = json!({
                    "document": document, "of": of, "purpose": purpose, "archived": false,
                });
                Ok(Edit::Set { set, value })
            }
            Self::Archive { name, archived } | Self::ArchiveBranch { name, archived } => {
                let map = if matches!(self, Self::Archive { .. }) { BOARDS } else { BRANCHES };
                let link = place(map, name).map_err(failed)?;
                if read(&link).and_then(|link| linked(&link.value)).is_none() {
                    return Err(EditFault::no_link(map, name));
                }
                let set = link.child("archived").map_err(failed)?;
                Ok(Edit::Set { set, value: (*archived).into() })
            }
        }
    }
}

/// The document that a link names.
pub(super) fn linked(link: &Json) -> Option<DocumentId> {
    link.get("document")?.as_str()?.parse().ok()
}

/// What is linked by that name in a map of the root was put away.
fn put_away(map: &str, name: &str) -> EditFault {
    if map == BRANCHES {
        EditFault::PutAway(name.to_owned())
    } else {
        EditFault::BoardPutAway(name.to_owned())
    }
}

/// Where a path leads.
#[derive(Debug, Clone, PartialEq)]
pub struct Routed {
    /// To which document.
    pub document: DocumentId,
    /// To where in it.
    pub path: DocPath,
    /// How the document is named in the root.
    pub above: DocPath,
    /// The link; none where the document is named by its id.
    pub link: Option<ReadValue>,
}

impl Routed {
    /// Why nothing is written there by this name: what it leads to was put away. Of what is named
    /// by its id the links know.
    pub(super) fn put_away(&self) -> Option<EditFault> {
        let [map, name] = self.above.segments() else { return None };
        let archived = |link: &ReadValue| link.value.get("archived") == Some(&Json::Bool(true));
        let is_away = map != MISSIONS && self.link.as_ref().is_some_and(archived);
        is_away.then(|| put_away(map, name))
    }
}

/// Where a path leads that is seen from the root; none where it stays there. `read` reads the
/// root. `SPEC: PRJ-10`
pub fn route(
    root: &DocumentId,
    path: &DocPath,
    read: impl Fn(&DocPath) -> Option<ReadValue>,
) -> Option<Routed> {
    let [map, name, ..] = path.segments() else { return None };
    if !path.is_linked() {
        return None;
    }
    let above = path.first(2);
    // What is named by an id is that document, whatever a member linked under such a name.
    let is_id = map != MISSIONS && name.parse::<DocumentId>().is_ok();
    let link = if is_id { None } else { read(&above) };
    let document = match &link {
        Some(link) => linked(&link.value)?,
        None if map != MISSIONS => name.parse().ok()?,
        None => return None,
    };
    (document != *root).then(|| Routed { document, path: path.below(2), above, link })
}

/// A link to a board.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BoardLink {
    /// The board's name.
    pub name: String,
    /// Its document.
    pub document: DocumentId,
    /// Is it put away?
    pub archived: bool,
    /// Does the name lead there, where there are several of that name?
    pub is_shown: bool,
    /// Has the name several links, written apart?
    pub conflict: bool,
    /// The change that wrote it.
    pub change: Option<ChangeHash>,
}

/// All links of the root.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Links {
    /// To boards, by name.
    pub boards: Vec<BoardLink>,
    /// To branches, by name.
    pub branches: Vec<BranchLink>,
    /// To documents of missions.
    pub missions: Vec<(String, DocumentId)>,
}

impl Documents {
    /// How the paths of a document begin, as seen from the root.
    pub(super) fn above(&mut self, root: &DocumentId, document: &DocumentId) -> DocPath {
        if root == document {
            return DocPath::default();
        }
        let held = self.documents.get_mut(root);
        let links = held.and_then(|held| held.try_with(|doc, _| Links::of(doc)).ok());
        links.unwrap_or_default().name_of(document)
    }
}

impl Links {
    pub(super) fn of(root: &Automerge) -> Result<Self, EditFault> {
        let mut links = Self::default();
        each(root, BOARDS, |name, values| {
            let conflict = values.len() > 1;
            let last = values.len().saturating_sub(1);
            for (at, (link, change)) in values.iter().enumerate() {
                let Some(document) = linked(link) else { continue };
                links.boards.push(BoardLink {
                    name: name.to_owned(),
                    document,
                    archived: link.get("archived") == Some(&Json::Bool(true)),
                    is_shown: at == last,
                    conflict,
                    change: *change,
                });
            }
        })?;
        each(root, BRANCHES, |name, values| {
            links.branches.extend(BranchLink::all(name, values));
        })?;
        each(root, MISSIONS, |id, values| {
            let documents = values.iter().filter_map(|(link, _)| linked(link));
            links.missions.extend(documents.map(|document| (id.to_owned(), document)));
        })?;
        Ok(links)
    }

    /// Why nothing new is written to a document: every name that leads to it was put away, and by
    /// the first of them it is brought back. What no name leads to cannot be put away, nor by a
    /// link whose name a member made up, which no person could type to bring it back. A mission
    /// names its document as long as there is one.
    /// `SPEC: PRJ-9, BRA-4`
    #[must_use]
    pub fn put_away(&self, document: &DocumentId) -> Option<EditFault> {
        if self.missions.iter().any(|(_, other)| other == document) {
            return None;
        }
        let boards = self.boards.iter().filter(|link| link.is_shown && link.document == *document);
        let boards = boards.map(|link| (BOARDS, &link.name, link.archived));
        let of = |link: &&BranchLink| link.is_shown && link.document == *document;
        let branches = self.branches.iter().filter(of);
        let all = boards.chain(branches.map(|link| (BRANCHES, &link.name, link.archived)));
        let all: Vec<_> = all.filter(|(_, name, _)| check_name(name).is_ok()).collect();
        let (map, name, _) = all.first()?;
        all.iter().all(|(.., archived)| *archived).then(|| put_away(map, name))
    }

    /// How a document is named in the root: by the name that leads to it, else by its id.
    #[must_use]
    pub fn name_of(&self, document: &DocumentId) -> DocPath {
        let mut boards = self.boards.iter().filter(|board| board.is_shown);
        let board = boards.find(|board| board.document == *document);
        let mut missions = self.missions.iter();
        let mission = missions.find(|(_, other)| other == document).map(|(id, _)| id);
        let mut branches = self.branches.iter().filter(|branch| branch.is_shown);
        let branch = branches.find(|branch| branch.document == *document);
        let (map, name) = match (board, mission, branch) {
            (Some(board), ..) => (BOARDS, board.name.clone()),
            (None, Some(id), _) => (MISSIONS, id.clone()),
            (None, None, Some(branch)) => (BRANCHES, branch.name.clone()),
            (None, None, None) => (BOARDS, document.to_string()),
        };
        DocPath::nearest(&[map.to_owned(), name])
    }
}

/// The values at every key of a map of the root, the one that is shown last.
fn each(
    root: &Automerge,
    map: &str,
    mut take: impl FnMut(&str, &[(Json, Option<ChangeHash>)]),
) -> Result<(), EditFault> {
    let failed = |error: automerge::AutomergeError| EditFault::Document(error.to_string());
    let Some((Value::Object(ObjType::Map), map)) = root.get(ROOT, map).map_err(failed)? else {
        return Ok(());
    };
    for key in root.keys(&map) {
        let values = root.get_all(&map, key.as_str()).map_err(failed)?;
        let value = |(value, id): &(Value<'_>, automerge::ObjId)| {
            let change = root.hash_for_opid(id).map(|hash| ChangeHash(hash.0));
            (Seen::now(root).json(value, id, 0), change)
        };
        take(&key, &values.iter().map(value).collect::<Vec<_>>());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_path_could_name_is_no_name_of_a_board() {
        // SPEC: PRJ-9
        let id = "ab".repeat(32);
        let cases = [
            ("plan", Ok(())),
            ("Haus & Hof ~ 2", Ok(())),
            ("", Err(NameFault::Length)),
            (" ", Err(NameFault::Length)),
            ("plan ", Err(NameFault::Length)),
            (&"x".repeat(NAME_BYTES_MAX), Ok(())),
            (&"x".repeat(NAME_BYTES_MAX + 1), Err(NameFault::Length)),
            ("a/b", Err(NameFault::Slash)),
            ("a\u{202e}b", Err(NameFault::Control)),
            ("a\nb", Err(NameFault::Control)),
            ("a\u{200f}b", Err(NameFault::Control)),
            (&id, Err(NameFault::Id)),
        ];
        for (name, expected) in cases {
            assert_eq!(check_name(name), expected, "{name:?}");
        }
    }

    #[test]
    fn what_one_name_leads_to_that_is_not_put_away_is_written_to_by_its_id() {
        // SPEC: PRJ-9
        let [one, two, none] = [1, 2, 3].map(|byte| DocumentId([byte; 32]));
        let link = |name: &str, document, archived, is_shown: bool| {
            let (name, conflict, change) = (name.to_owned(), !is_shown, None);
            BoardLink { name, document, archived, is_shown, conflict, change }
        };
        let mut links = Links {
            boards: vec![
                link("plan", one, true, true),
                // Two of one name: it leads to the other, by which this cannot be brought back.
                link("garden", two, true, false),
            ],
            ..Links::default()
        };
        let away = Some(EditFault::BoardPutAway("plan".to_owned()));
        assert_eq!([one, two, none].map(|id| links.put_away(&id)), [away, None, None]);
        links.boards.push(link("plans", one, false, true));
        assert_eq!(links.put_away(&one), None);
    }

    #[test]
    fn what_no_person_could_bring_back_is_not_put_away_by_a_link_that_a_member_made_up() {
        // SPEC: PRJ-9
        let document = DocumentId([1; 32]);
        let link = |name: &str| BoardLink {
            name: name.to_owned(),
            document,
            archived: true,
            is_shown: true,
            conflict: false,
            change: None,
        };
        for name in ["", "a\u{1}b", "a\u{202e}b", &document.to_string()] {
            let links = Links { boards: vec![link(name)], ..Links::default() };
            assert_eq!(links.put_away(&document), None, "{name:?}");
            let of = json!({ "document": document, "archived": true });
            let branches = BranchLink::all(name, &[(of, None)]).collect();
            let links = Links { branches, ..Links::default() };
            assert_eq!(links.put_away(&document), None, "{name:?}");
        }
        let plan = Links { boards: vec![link(""), link("plan")], ..Links::default() };
        let away = Some(EditFault::BoardPutAway("plan".to_owned()));
        assert_eq!(plan.put_away(&document), away, "by the name that brings it back");
        let missions = vec![("mission".to_owned(), document)];
        assert_eq!(Links { missions, ..plan }.put_away(&document), None, "a mission has its own");
    }

    #[test]
    fn a_path_goes_on_in_the_document_that_a_link_names() {
        // SPEC: PRJ-10
        let (root, board) = (DocumentId([1; 32]), DocumentId([2; 32]));
        let links = json!({
            "boards/plan": { "document": board },
            "boards/loop": { "document": root },
            "boards/odd": "no link",
            "missions/m": { "document": board },
            "missions/old": { "plan": {} },
        });
        let read = |path: &DocPath| {
            let value = links.get(path.to_string())?.clone();
            Some(ReadValue { value, conflict: false, conflict_below: false, change: None })
        };
        let by_id = format!("boards/{board}/notes");
        let cases = [
            ("notes/x", None),
            ("boards", None),
            ("boards/plan", Some("")),
            ("boards/plan/notes/x", Some("notes/x")),
            ("missions/m/plan", Some("plan")),
            (&by_id, Some("notes")),
            // Nothing leads back into the root, and what is no link is read where it stands.
            ("boards/loop/policies", None),
            ("boards/odd/x", None),
            ("boards/nobody/x", None),
            ("missions/old/plan", None),
            (&format!("missions/{board}/plan"), None),
        ];
        for (path, expected) in cases {
            let routed = route(&root, &path.parse().unwrap(), read);
            let there = routed.as_ref().map(|routed| routed.path.to_string());
            assert_eq!(there.as_deref(), expected, "{path}");
            assert!(routed.is_none_or(|routed| routed.document == board), "{path}");
        }
    }
}
