//! As much of XML as a report needs: tags and their attributes, one after another.
//!
//! Text, comments, CDATA and processing instructions are passed over; declarations (`<!DOCTYPE`,
//! `<!ENTITY`) are refused, so no entity can be defined and none is expanded but XML's own five and
//! characters by number. Each byte is looked at once; nothing is kept. `SPEC: RPT-3`

use super::found::number;
use crate::limits::REPORT_TAG_BYTES_MAX;

/// Why there is no next tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum XmlFault {
    /// The text ends inside something.
    Ends,
    /// This is no XML, or a part of it that is refused.
    Malformed,
}

/// A tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tag<'a> {
    /// Its name and attributes.
    Open(&'a str, Attributes<'a>),
    /// One that is closed at once.
    Empty(&'a str, Attributes<'a>),
    /// Its name.
    Close(&'a str),
}

/// The attributes of a tag, unread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Attributes<'a>(&'a str);

/// Reads tags from the beginning of `rest` on.
pub(super) struct Xml<'a> {
    pub(super) rest: &'a str,
}

impl<'a> Xml<'a> {
    pub(super) fn next(&mut self) -> Result<Tag<'a>, XmlFault> {
        loop {
            let (_, inside) = self.rest.split_once('<').ok_or(XmlFault::Ends)?;
            if let Some(end) = passed_over(inside) {
                let (_, rest) = inside.split_once(end).ok_or(XmlFault::Ends)?;
                self.rest = rest;
                continue;
            }
            if inside.starts_with('!') {
                return Err(XmlFault::Malformed);
            }
            let end = tag_end(inside)?;
            let (body, rest) = inside.split_at(end);
            self.rest = rest.strip_prefix('>').unwrap_or(rest);
            return tag(body).ok_or(XmlFault::Malformed);
        }
    }
}

/// The end of what is no tag.
fn passed_over(inside: &str) -> Option<&'static str> {
    let kinds = [("!--", "-->"), ("![CDATA[", "]]>"), ("?", "?>")];
    kinds.iter().find(|(start, _)| inside.starts_with(start)).map(|(_, end)| *end)
}

/// Where the `>` of a tag is that stands in no attribute.
fn tag_end(inside: &str) -> Result<usize, XmlFault> {
    let mut quote = None;
    for (at, byte) in inside.bytes().enumerate() {
        if at > REPORT_TAG_BYTES_MAX {
            return Err(XmlFault::Malformed);
        }
        match (quote, byte) {
            (None, b'>') => return Ok(at),
            (None, b'<') => return Err(XmlFault::Malformed),
            (None, b'"' | b'\'') => quote = Some(byte),
            (Some(open), _) if open == byte => quote = None,
            _ => {}
        }
    }
    Err(XmlFault::Ends)
}

fn tag(body: &str) -> Option<Tag<'_>> {
    let is_name = |name: &str| {
        !name.is_empty() && !name.contains(|c: char| c.is_whitespace() || "/'\"=".contains(c))
    };
    if let Some(name) = body.strip_prefix('/') {
        let name = name.trim_end();
        return is_name(name).then_some(Tag::Close(name));
    }
    let (body, is_empty) = body.strip_suffix('/').map_or((body, false), |body| (body, true));
    let (name, attributes) = body.split_once(char::is_whitespace).unwrap_or((body, ""));
    let attributes = Attributes(attributes);
    let tag = if is_empty { Tag::Empty(name, attributes) } else { Tag::Open(name, attributes) };
    is_name(name).then_some(tag)
}

impl Attributes<'_> {
    /// The value of the first attribute of this name.
    pub(super) fn get(self, name: &str) -> Option<String> {
        let mut rest = self.0;
        loop {
            let (of, tail) = rest.split_once('=')?;
            let tail = tail.trim_start();
            let quote = tail.chars().next().filter(|c| matches!(c, '"' | '\''))?;
            let (value, after) = tail.strip_prefix(quote)?.split_once(quote)?;
            if of.trim() == name {
                return Some(unescaped(value));
            }
            rest = after;
        }
    }

    /// The same as a number.
    pub(super) fn number(self, name: &str) -> Option<usize> {
        number(&self.get(name)?)
    }
}

/// The text with XML's own references read; others stay as they are.
fn unescaped(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    let mut rest = value;
    while let Some((before, after)) = rest.split_once('&') {
        out.push_str(before);
        // The longest reference has ten bytes; a longer search would be made for every `&` again.
        let end = after.bytes().take(10).position(|byte| byte == b';');
        let name = end.and_then(|end| Some((after.get(..end)?, after.get(end + 1..)?)));
        let read = name.and_then(|(name, tail)| Some((referred(name)?, tail)));
        let (c, tail) = read.unwrap_or(('&', after));
        out.push(c);
        rest = tail;
    }
    out.push_str(rest);
    out
}

fn referred(name: &str) -> Option<char> {
    match name {
        "lt" => Some('<'),
        "gt" => Some('>'),
        "amp" => Some('&'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        _ => {
            let digits = name.strip_prefix('#').filter(|digits| digits.len() < 9)?;
            let code = match digits.strip_prefix('x') {
                Some(hex) => u32::from_str_radix(hex, 16).ok()?,
                None => digits.parse().ok()?,
            };
            char::from_u32(code)
        }
    }
}
