//! Edits as people and scripts write them: which of them is none, and why.

use kernelos_protocol::document::{DocPath, Edit};
use kernelos_protocol::id::ConflictId;
use serde_json::{Map, Value as Json};

/// Why a text is no array of edits.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Fault {
    /// It is none at all.
    #[error("this is no array of edits: {0}")]
    Text(String),
    /// One of them is none; counted from 1.
    #[error("edit {0}: {1}")]
    Edit(usize, String),
}

/// Each kind by its first field, with the field that it needs beside that.
const KINDS: [(&str, &[&str]); 4] =
    [("set", &["value"]), ("append", &["value"]), ("rm", &[]), ("resolve", &["keep", "value"])];

/// The edits of a text.
pub(super) fn parse(text: &str) -> Result<Vec<Edit>, Fault> {
    let not_parsed = match serde_json::from_str(text) {
        Ok(edits) => return Ok(edits),
        Err(error) => Fault::Text(error.to_string()),
    };
    let Ok(edits) = serde_json::from_str::<Vec<Json>>(text) else { return Err(not_parsed) };
    let why = |(at, edit): (usize, &Json)| {
        let error = serde_json::from_value::<Edit>(edit.clone()).err()?;
        let why = explain(edit).unwrap_or_else(|| error.to_string());
        Some(Fault::Edit(at.saturating_add(1), why))
    };
    let twice = || Fault::Text("a field of one of them is there twice".to_owned());
    Err(edits.iter().enumerate().find_map(why).unwrap_or_else(twice))
}

/// What is wrong with one, as far as that can be told.
fn explain(edit: &Json) -> Option<String> {
    let Json::Object(fields) = edit else {
        return Some("it is no object".to_owned());
    };
    let Some((kind, beside)) = KINDS.iter().find(|(kind, _)| fields.contains_key(*kind)) else {
        return Some("it has none of the fields set, append, rm and resolve".to_owned());
    };
    let unknown = fields.keys().find(|field| field != kind && !beside.contains(&field.as_str()));
    if let Some(unknown) = unknown {
        return Some(format!("{kind:?} does not go with the field {unknown:?}"));
    }
    of_place(kind, fields).or_else(|| match beside {
        [only] if !fields.contains_key(*only) => Some(format!("{kind:?} needs a {only:?}")),
        [one, other] if fields.contains_key(*one) == fields.contains_key(*other) => {
            Some(format!("{kind:?} needs either {one:?} or {other:?}"))
        }
        _ => None,
    })
}

/// What is wrong with its path, or with the conflict that it names.
fn of_place(kind: &str, fields: &Map<String, Json>) -> Option<String> {
    let Some(Json::String(text)) = fields.get(kind) else {
        return Some(format!("{kind:?} is to be a text"));
    };
    match kind {
        "resolve" => text.parse::<ConflictId>().err().map(|fault| fault.to_string()),
        _ => text.parse::<DocPath>().err().map(|fault| fault.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn which_of_several_edits_is_none_is_told_and_why() {
        for (edits, why) in [
            (r#"{"set": "notes/a", "value": 1}"#, "no array of edits"),
            (r#"[{"set": "notes/a", "set": "notes/b", "value": 1}]"#, "no array of edits"),
            (r#"[{"set": "notes/a", "value": 1}, 7]"#, "edit 2: it is no object"),
            (r#"[{"sett": "notes/a", "value": 1}]"#, "edit 1: it has none of the fields set"),
            (r#"[{"set": "notes/a", "valeu": 1}]"#, r#"does not go with the field "valeu""#),
            (r#"[{"set": "notes/a"}]"#, r#""set" needs a "value""#),
            (r#"[{"rm": "notes//a"}]"#, "empty segments"),
            (r#"[{"rm": "notes/a\u202eb"}]"#, "none that reorder text"),
            (r#"[{"rm": 7}]"#, r#""rm" is to be a text"#),
            (r#"[{"resolve": "00", "keep": "A"}]"#, "edit 1: "),
            (r#"[{"resolve": "00000000000000000000000000000000"}]"#, "either"),
        ] {
            let fault = parse(edits).unwrap_err().to_string();
            assert!(fault.contains(why) && !fault.contains("untagged"), "{edits}: {fault}");
        }
        let all = r#"[{"set": "notes/a", "value": null}, {"rm": "notes/b"},
            {"append": "notes/c", "value": []},
            {"resolve": "00000000000000000000000000000000", "keep": "A"}]"#;
        assert_eq!(parse(all).unwrap().len(), 4);
    }
}
