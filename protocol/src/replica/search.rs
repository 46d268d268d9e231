//! Looking for events: page by page over the log, bodies opened as they are read, so that nothing
//! of them is kept in the clear. `SPEC: PAST-4, PAST-5`

use serde_json::Value as Json;

use crate::command::{
    Failure, FailureKind, FoundPage, FoundRow, PastReply, Reply, RequestId, Search,
};
use crate::document::past::said;
use crate::event::Verified;
use crate::facts::{self, ID_DIGITS_MIN};
use crate::id::EventId;
use crate::limits::{
    LOAD_SLICE_EVENTS, SEARCH_PAGE_BYTES, SEARCH_PAGE_EVENTS, SEARCH_SHOWN_CHARS, SEARCH_TEXT_MAX,
};
use crate::replica::log::Asked;
use crate::replica::{LoadFor, Replica};
use crate::store::{LoadRequest, Place};
use crate::workspace::{is_kind, kinds};

/// Bytes of a line up to which it is compared where it stands, place by place.
const SHORT_LINE: usize = 256;

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
            if self.may_be(id, &search) {
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
        let wanted = Wanted::of(&page.search);
        let mut in_order = loaded.iter().peekable();
        for id in &page.events {
            let found = match &wanted {
                None => None,
                Some(wanted) => {
                    // They come in the order in which they were asked for, but for what the store
                    // could not give.
                    let event = in_order.next_if(|event| event.id() == *id);
                    let event = event.or_else(|| loaded.iter().find(|event| event.id() == *id));
                    unread += usize::from(event.is_none());
                    let Some(found) = self.find(id, event, wanted) else { continue };
                    Some(found)
                }
            };
            rows.extend(self.log_row(id).map(|row| FoundRow { row, found }));
        }
        let (next, of) = (page.next, self.workspace.len());
        let found = PastReply::Found(FoundPage { rows, next, of, unread });
        self.reply(request, Reply::Past(Box::new(found)));
    }

    /// Is it what is looked for, as far as its row of the log says?
    fn may_be(&self, id: &EventId, search: &Search) -> bool {
        let Some(header) = self.workspace.header(id) else { return false };
        search.device.is_none_or(|device| device == header.author)
            && search.since.is_none_or(|since| since <= header.stamp)
            && (search.kind.is_none() || search.kind == self.workspace.kind(id))
    }

    /// What of an event says what is looked for: first of its row, then of its body.
    fn find(&self, id: &EventId, event: Option<&Verified>, wanted: &Wanted) -> Option<String> {
        let of_kind = self.workspace.kind(id).and_then(|kind| wanted.find(&kind));
        let of_names = || {
            let author = self.workspace.header(id)?.author;
            wanted.find(&id.to_string()).or_else(|| wanted.find(&author.to_string()))
        };
        let of_reason = || wanted.find(&self.workspace.verdict(id)?.1?);
        of_kind
            .or_else(|| wanted.may_be_name().then(of_names).flatten())
            .or_else(of_reason)
            .or_else(|| self.find_in_body(event?, wanted))
    }

    /// The same of its body: its fields, and what it wrote to documents. It is opened once, and
    /// what cannot have the text is not even put into words.
    fn find_in_body(&self, event: &Verified, wanted: &Wanted) -> Option<String> {
        let in_fields = |fields: &Json| {
            let mut lines = Vec::new();
            flatten(fields, &mut lines);
            lines.iter().find_map(|line| wanted.find(line))
        };
        if event.control().is_some() {
            return in_fields(&self.workspace.read(event).1);
        }
        let (content, has_effect) = self.workspace.opened_body(event)?;
        let may_say = wanted.texts.iter().any(|text| facts::may_say(&content, text));
        let of_fields = may_say.then(|| facts::of_content(event.header(), &content));
        // Only what passed the validator is shown to Automerge.
        let changes = if has_effect { content.changes() } else { &[] };
        let of_changes = || {
            let mut lines = changes.iter().flat_map(|change| said(&change.change));
            lines.find_map(|line| wanted.find(&line))
        };
        of_fields.and_then(|fields| in_fields(&fields)).or_else(of_changes)
    }
}

/// The texts of which one is looked for, in lower case.
struct Wanted {
    texts: Vec<String>,
}

impl Wanted {
    /// None where no text is looked for.
    fn of(search: &Search) -> Option<Self> {
        let text = search.text.as_ref()?.to_lowercase();
        let named = search.named.iter().map(ToString::to_string);
        Some(Self { texts: [text].into_iter().chain(named).collect() })
    }

    /// Could one be in the name of an event or a device?
    fn may_be_name(&self) -> bool {
        let is_name =
            |text: &String| text.len() >= ID_DIGITS_MIN && text.bytes().all(facts::is_hex_digit);
        self.texts.iter().any(is_name)
    }

    /// What of a line says one of them, in capitals or not, with a little around it.
    fn find(&self, line: &str) -> Option<String> {
        self.texts.iter().find(|text| says(line, text)).and_then(|text| excerpt(line, text))
    }
}

/// Does a line say a text, which is in lower case?
fn says(line: &str, text: &str) -> bool {
    if !line.is_ascii() || line.len() > SHORT_LINE {
        return line.to_lowercase().contains(text);
    }
    // Without a copy in lower case, as nearly every line is short: to look is all the work.
    let is_it = |part: &[u8]| part.eq_ignore_ascii_case(text.as_bytes());
    line.as_bytes().windows(text.len().max(1)).any(is_it)
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

fn flatten(value: &Json, lines: &mut Vec<String>) {
    match value {
        Json::Object(of) => of.values().for_each(|value| flatten(value, lines)),
        Json::Array(of) => of.iter().for_each(|value| flatten(value, lines)),
        Json::String(text) => lines.push(text.clone()),
        Json::Null | Json::Bool(_) => {}
        Json::Number(number) => lines.push(number.to_string()),
    }
}

/// What of a line says the text, which is in lower case, with a little around it.
fn excerpt(line: &str, text: &str) -> Option<String> {
    let line_in_lower_case = line.to_lowercase();
    let at = line_in_lower_case.find(text)?;
    // Characters may have other lengths in lower case, so this is where it is, or near.
    let before = line_in_lower_case.get(..at)?.chars().count();
    let from = before.saturating_sub(SEARCH_SHOWN_CHARS / 4);
    Some(line.chars().skip(from).take(SEARCH_SHOWN_CHARS).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_a_text_in_capitals_or_not_however_long_it_is() {
        // SPEC: PAST-4
        let long = "x".repeat(SHORT_LINE);
        for (line, text, is_said) in [
            ("tasks/Buy Milk: 3", "buy milk", true),
            ("milk", "milk", true),
            ("mil", "milk", false),
            ("", "milk", false),
            ("ÄPFEL", "äpfel", true),
            ("apfel", "äpfel", false),
            // A sign of its own, whose lower case is a plain letter.
            ("\u{212a}ern", "kern", true),
        ] {
            assert_eq!(says(line, text), is_said, "{line:?} says {text:?}");
            assert_eq!(line.to_lowercase().contains(text), is_said);
            assert_eq!(excerpt(line, text).is_some(), is_said);
            let line = format!("{long}{line}");
            assert_eq!(says(&line, text), is_said, "a long line that ends so says {text:?}");
        }
    }
}
