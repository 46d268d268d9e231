//! What differs between two values, in a line: the places of maps that show something else, each
//! with what it showed and shows. So a row that stands below another says what is new in it.

use std::collections::BTreeSet;

use serde_json::Value as Json;

use super::shown;
use crate::limits::{CHANGED_PLACES_MAX, CHANGED_SHOWN_BYTES};

/// What of two values differs, bounded however large they are; what is no map is shown whole.
pub(super) fn changed(before: Option<&Json>, after: &Json) -> String {
    let (Some(Json::Object(_)), Json::Object(_)) = (before, after) else { return value(after) };
    let mut places = Vec::new();
    differ(String::new(), before, Some(after), &mut places);
    let more = places.len().saturating_sub(CHANGED_PLACES_MAX);
    let mut text: Vec<_> = places.into_iter().take(CHANGED_PLACES_MAX).collect();
    if more > 0 {
        text.push(format!("and {more} places more"));
    }
    if text.is_empty() {
        "nothing that the row above does not show".to_owned()
    } else {
        text.join(", ")
    }
}

/// As it is written, no longer than a row may be.
fn value(of: &Json) -> String {
    shown(&of.to_string(), CHANGED_SHOWN_BYTES)
}

/// Keys are as long as their author liked.
fn place(path: &str) -> String {
    shown(path, CHANGED_SHOWN_BYTES)
}

/// Descends into what is a map on both sides. Values are as deep as a document is.
fn differ(path: String, before: Option<&Json>, after: Option<&Json>, to: &mut Vec<String>) {
    match (before, after) {
        (before, after) if before == after => {}
        (Some(Json::Object(was)), Some(Json::Object(is))) => {
            let keys: BTreeSet<_> = was.keys().chain(is.keys()).collect();
            for key in keys {
                let below = if path.is_empty() { key.clone() } else { format!("{path}/{key}") };
                differ(below, was.get(key), is.get(key), to);
            }
        }
        (None, Some(is)) => to.push(format!("{}: {}", place(&path), value(is))),
        (_, None) => to.push(format!("{}: removed", place(&path))),
        (Some(was), Some(is)) => {
            to.push(format!("{}: {} -> {}", place(&path), value(was), value(is)));
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_map_says_what_changed_in_it_and_anything_else_what_it_is() {
        let before = json!({"a": 1, "b": {"c": "rain", "d": [1, 2]}, "gone": true});
        let after = json!({"a": 1, "b": {"c": "sun", "d": [1, 2], "e": {}}, "new": null});
        for (before, after, says) in [
            (Some(&before), &after, "b/c: \"rain\" -> \"sun\", b/e: {}, gone: removed, new: null"),
            (Some(&after), &json!({}), "a: removed, b: removed, new: removed"),
            (None, &json!({"a": 1}), "{\"a\":1}"),
            (Some(&json!("rain")), &json!({"a": 1}), "{\"a\":1}"),
            (Some(&before), &json!("rain"), "\"rain\""),
            (Some(&before), &before.clone(), "nothing that the row above does not show"),
        ] {
            assert_eq!(changed(before, after), says);
        }
    }

    #[test]
    fn a_row_is_no_longer_than_its_bound_however_much_changed() {
        let long = "x".repeat(9_000);
        let many: serde_json::Map<_, _> =
            (0..300).map(|at| (format!("k{at:03}"), json!(long))).collect();
        let text = changed(Some(&json!({})), &Json::Object(many.clone()));
        assert!(text.ends_with(&format!("and {} places more", 300 - CHANGED_PLACES_MAX)), "{text}");
        assert!(
            text.len() < (CHANGED_PLACES_MAX + 1) * (2 * CHANGED_SHOWN_BYTES + 40),
            "{}",
            text.len()
        );
        let whole = changed(None, &Json::Object(many));
        assert!(whole.len() < CHANGED_SHOWN_BYTES + 40, "{}", whole.len());
    }
}
