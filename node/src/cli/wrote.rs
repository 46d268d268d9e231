//! What a command wrote, and how that is taken back: said by every command that writes, in one
//! form. A command that forgets it fails in debug builds, so in every test that runs it.

use std::sync::atomic::Ordering;

use kernelos_protocol::command::Failure;
use kernelos_protocol::id::EventId;
use kernelos_protocol::present::{Back, Block, Doc, Text, wrote_by};
use serde_json::{Value as Json, json};

use crate::cli::Ui;

/// What was written; no event where nothing was, or more than one.
#[derive(Debug)]
pub(super) struct Wrote {
    event: Option<EventId>,
    back: Option<Back>,
}

impl Wrote {
    /// An undo takes it back, if anything was written.
    pub(super) fn undo(event: Option<EventId>) -> Self {
        Self { event, back: event.as_ref().map(Back::undo) }
    }

    /// A command takes it back, if anything was written.
    pub(super) fn by(event: Option<EventId>, command: String) -> Self {
        Self { event, back: event.map(|_| Back::By(command)) }
    }

    /// Nothing takes it back, since.
    pub(super) fn never(event: Option<EventId>, why: &'static str) -> Self {
        Self { event, back: Some(Back::Never(why)) }
    }

    /// `event`, `undo`, and where there is none `undo_reason`, in an object.
    pub(super) fn put_in(&self, object: &mut Json) {
        let Some(fields) = object.as_object_mut() else { return };
        fields.insert("event".to_owned(), json!(self.event));
        let (undo, why) = match &self.back {
            Some(Back::By(command)) => (Some(command.as_str()), None),
            Some(Back::Never(why)) => (None, Some(*why)),
            None => (None, Some(NOTHING)),
        };
        fields.insert("undo".to_owned(), json!(undo));
        fields.extend(why.map(|why| ("undo_reason".to_owned(), json!(why))));
    }

    fn doc(&self) -> Doc {
        match &self.back {
            Some(back) => wrote_by(self.event.as_ref(), back),
            None => Doc(vec![Block::Line(Text::plain(NOTHING))]),
        }
    }
}

const NOTHING: &str = "nothing to change: it was so already";

impl Ui {
    /// Prints what was written: as `object` with its fields, or behind `doc`.
    pub(super) fn wrote(
        &self,
        wrote: &Wrote,
        mut object: Json,
        doc: impl FnOnce() -> Doc,
    ) -> Result<(), Failure> {
        wrote.put_in(&mut object);
        self.wrote_as(wrote, &object, doc)
    }

    /// The same of what holds the fields already.
    pub(super) fn wrote_as(
        &self,
        wrote: &Wrote,
        object: &Json,
        doc: impl FnOnce() -> Doc,
    ) -> Result<(), Failure> {
        self.wrote_whole(object, || {
            let Doc(mut blocks) = doc();
            blocks.extend(wrote.doc().0);
            Doc(blocks)
        })
    }

    /// The same where the text says it already, too.
    pub(super) fn wrote_whole(
        &self,
        object: &Json,
        doc: impl FnOnce() -> Doc,
    ) -> Result<(), Failure> {
        self.owes.store(false, Ordering::Relaxed);
        self.show(object, doc)
    }
}

/// A word as a shell takes it.
pub(super) fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.' | '/');
    if !word.is_empty() && !word.starts_with('-') && word.chars().all(is_plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', "'\\''"))
}
