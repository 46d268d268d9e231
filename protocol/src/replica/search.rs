//! Looking for events: page by page over the log, bodies opened as they are read, so that nothing
//! of them is kept in the clear. `SPEC: PAST-4, PAST-5`

use serde_json::Value as Json;

use crate::command::{
    Failure, FailureKind, FoundPage, FoundRow, LogRow, PastReply, Reply, RequestId, Search,
};
use crate::document::past::said;
use crate::event::Verified;
use crate::id::EventId;
use crate::limits::{
    LOAD_SLICE_EVENTS, SEARCH_PAGE_BYTES, SEARCH_PAGE_EVENTS, SEARCH_SHOWN_CHARS, SEARCH_TEXT_MAX,
};
use crate::replica::log::Asked;
use crate::replica::{LoadFor, Replica};
use crate::store::{LoadRequest, Place};
use crate::workspace::{is_kind, kinds};

/// A page of a search whose events the store was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Searched {
    search: Search,
    /// Those that may be what is looked for.
    events: Vec<EventId>,
    /// Where to go on.
    next: Option<usize>,
}

impl Replica {
    pub(super) fn start_search(&mut self, request: RequestId, search: Search) {
        if search.text.as_ref().is_some_and(|text| text.len() > SEARCH_TEXT_MAX) {
            let failure = Failure::new(FailureKind::Usage, "the text to search for is too long")
                .with_hint(format!("use at most {SEARCH_TEXT_MAX} bytes"));
            return self.reply(request, Reply::Failed(failure));
        }
        if let Err(failure) = check(&search) {
            return self.reply(request, Reply::Failed(failure));
        }
        let (mut events, mut at, mut bytes) = (Vec::new(), search.from, 0_u64);
        for id in self.workspace.order(search.from).take(LOAD_SLICE_EVENTS) {
            at = at.saturating_add(1);
            if self.log_row(id).is_some_and(|row| may_be(&row, &search)) {
                events.push(*id);
            }
            let bytes_of =
                |id| self.workspace.header(id).and_then(|of| of.body).map_or(0, |body| body.len);
            bytes = bytes.saturating_add(bytes_of(id));
            if events.len() >= SEARCH_PAGE_EVENTS || bytes > SEARCH_PAGE_BYTES {
                break;
            }
        }
        let next = (at < self.workspace.len()).then_some(at);
        let page = Searched { search, events, next };
        let places: Vec<_> = match page.search.text {
            Some(_) => page.events.iter().filter_map(|id| self.place_of(id)).collect(),
            None => Vec::new(),
        };
        if places.is_empty() {
            return self.on_search_loaded(request, &page, &[]);
        }
        let load = LoadFor::Asked(request, Asked::Search(Box::new(page)));
        self.load_next(load, LoadRequest::Events(places));
    }

    fn place_of(&self, id: &EventId) -> Option<Place> {
        let header = self.workspace.header(id)?;
        Some(Place { chain: header.chain(), seq: header.seq, id: *id })
    }

    pub(super) fn on_search_loaded(
        &mut self,
        request: RequestId,
        page: &Searched,
        loaded: &[Verified],
    ) {
        let (mut rows, mut unread) = (Vec::new(), 0);
        for id in &page.events {
            let Some(row) = self.log_row(id) else { continue };
            let Some(text) = &page.search.text else {
                rows.push(FoundRow { row, found: None });
                continue;
            };
            let lines = loaded.iter().find(|event| event.id() == *id).map(|event| self.says(event));
            unread += usize::from(lines.is_none());
            let of_row = [row.kind.clone(), id.to_string(), row.author.to_string()];
            let named = page.search.named.iter().map(ToString::to_string);
            let texts: Vec<_> = [text.clone()].into_iter().chain(named).collect();
            let lines =
                of_row.into_iter().chain(row.reason.clone()).chain(lines.unwrap_or_default());
            let found = lines
                .into_iter()
                .find_map(|line| texts.iter().find_map(|text| excerpt(&line, text)));
            rows.extend(found.map(|found| FoundRow { row, found: Some(found) }));
        }
        let (next, of) = (page.next, self.workspace.len());
        let found = PastReply::Found(FoundPage { rows, next, of, unread });
        self.reply(request, Reply::Past(Box::new(found)));
    }

    /// What an event says, in lines: the fields of its body, and what it wrote to documents.
    fn says(&self, event: &Verified) -> Vec<String> {
        let (_, facts) = self.workspace.read(event);
        let mut lines = Vec::new();
        flatten(&facts, &mut lines);
        // Only what passed the validator is shown to Automerge.
        let (chunks, _) = self.workspace.changes_of(std::slice::from_ref(event));
        lines.extend(chunks.iter().flat_map(|(_, chunk)| said(chunk)));
        lines
    }
}

/// Could anything be found? A text that says nothing is in every line, and what is no kind is in
/// none: who asks so means something else.
fn check(search: &Search) -> Result<(), Failure> {
    if search.text.as_ref().is_some_and(|text| text.trim().is_empty()) {
        return Err(Failure::new(FailureKind::Usage, "the text to search for is empty")
            .with_hint("name a word of what was written, or leave it out: `kern log` shows all"));
    }
    match &search.kind {
        Some(kind) if !is_kind(kind) => {
            Err(Failure::new(FailureKind::Usage, format!("{kind:?} is no kind of event"))
                .with_hint(format!("the kinds are {}", kinds().join(", "))))
        }
        _ => Ok(()),
    }
}

/// Is it what is looked for, as far as its row says?
fn may_be(row: &LogRow, search: &Search) -> bool {
    search.device.is_none_or(|device| device == row.author)
        && search.kind.as_ref().is_none_or(|kind| *kind == row.kind)
        && search.since.is_none_or(|since| since <= row.stamp)
}

fn flatten(value: &Json, lines: &mut Vec<String>) {
    match value {
        Json::Object(of) => of.values().for_each(|value| flatten(value, lines)),
        Json::Array(of) => of.iter().for_each(|value| flatten(value, lines)),
        Json::String(text) => lines.push(text.clone()),
        Json::Null | Json::Bool(_) => {}
        Json::Number(number) => lines.push(number.to_string()),
    }
}

/// What of a line says the text, in capitals or not, with a little around it.
fn excerpt(line: &str, text: &str) -> Option<String> {
    let at = line.to_lowercase().find(&text.to_lowercase())?;
    // Characters may have other lengths in lower case, so this is where it is, or near.
    let before = line.to_lowercase().get(..at)?.chars().count();
    let from = before.saturating_sub(SEARCH_SHOWN_CHARS / 4);
    Some(line.chars().skip(from).take(SEARCH_SHOWN_CHARS).collect())
}
