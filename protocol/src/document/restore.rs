//! The edits after which a list shows again what it showed, item by item: what stands there still
//! is left as it is, with what others wrote in it and with its conflicts, which an undo of
//! something else does not decide. `SPEC: UNDO-2`

use serde_json::Value as Json;

use super::read::Seen;
use super::{DocPath, Edit, EditFault, ReadValue};
use crate::limits::RESTORED_EDITS_MAX;

/// One step of them.
#[derive(Debug, PartialEq)]
pub(super) enum Restored {
    /// What is written, where the steps before it did not move it; and where that stood before, but
    /// of a removal.
    Edit(Edit, Option<DocPath>),
    /// An item that stood there was removed, and is put again at the element that it was.
    Gone(DocPath),
}

impl Restored {
    /// Where what it writes stood before.
    pub(super) fn from(&self) -> Option<&DocPath> {
        match self {
            Self::Edit(_, from) => from.as_ref(),
            Self::Gone(from) => Some(from),
        }
    }
}

/// Items of a list as it was and as it is, by index: the same where it has both.
pub(super) type Aligned = Vec<(Option<usize>, Option<usize>)>;

/// Says which items of a list are the same, by where it is now and was then, and no more than that
/// of a map; none where it is another object, which is written as a whole: to put items into it
/// would double what another device puts into it, too, and what somebody writes in it apart would
/// be written in what it was not meant for.
pub(super) type Align<'a> = &'a dyn Fn(Paths<'_>) -> Option<Aligned>;

/// The edits that show again what was there, where something else is: of a list item by item.
pub(super) fn restore(
    before: &Seen<'_>,
    path: &DocPath,
    was: Option<&ReadValue>,
    is: Option<&ReadValue>,
    align: Align<'_>,
) -> Result<Vec<Restored>, EditFault> {
    let Some(was) = was else {
        let edit = is.map(|_| Edit::Rm { rm: path.clone() });
        return Ok(edit.map(|edit| Restored::Edit(edit, None)).into_iter().collect());
    };
    if is_restored(Some(was), is) {
        return Ok(Vec::new());
    }
    if path.segments().is_empty() || !before.is_plain(path) {
        return Err(EditFault::NotRestorable(path.to_string()));
    }
    let is = is.filter(|is| !is.conflict);
    if let Some(edits) = is.and_then(|is| list(path, &was.value, &is.value, align)) {
        return Ok(edits);
    }
    let edit = Edit::Set { set: path.clone(), value: was.value.clone() };
    Ok(vec![Restored::Edit(edit, Some(path.clone()))])
}

/// Does it show already what was there, so that nothing is to be written?
pub(super) fn is_restored(was: Option<&ReadValue>, is: Option<&ReadValue>) -> bool {
    let same = |(was, is): (&ReadValue, &ReadValue)| was.value == is.value;
    was.zip(is).is_some_and(same) && [was, is].into_iter().flatten().all(|shown| !shown.conflict)
}

/// The steps that turn the list `is` at `path` into `was`; none where it is to be written as a
/// whole: another list stands there by now, or they are too many.
pub(super) fn list(
    path: &DocPath,
    was: &Json,
    is: &Json,
    align: Align<'_>,
) -> Option<Vec<Restored>> {
    let (Json::Array(was), Json::Array(is)) = (was, is) else { return None };
    let mut found = Found { steps: Vec::new(), align };
    found.elements((path, path), (was, is), align((path, path))?)?;
    // From the end on, so none moves what another is about.
    found.steps.reverse();
    Some(found.steps)
}

/// Paths of one place: as it is now, and as it was.
pub(super) type Paths<'p> = (&'p DocPath, &'p DocPath);

/// What was found so far.
struct Found<'a> {
    steps: Vec<Restored>,
    align: Align<'a>,
}

impl Found<'_> {
    fn differ(&mut self, (now, then): Paths<'_>, was: &Json, is: &Json) -> Option<()> {
        let whole = was;
        match (was, is) {
            _ if was == is => {}
            (Json::Array(was), Json::Array(is)) => match (self.align)((now, then)) {
                Some(aligned) => self.elements((now, then), (was, is), aligned)?,
                None => self.put(now.clone(), then.clone(), whole),
            },
            (Json::Object(was), Json::Object(is)) if (self.align)((now, then)).is_some() => {
                for (key, item) in is {
                    let (now, then) = (now.child(key).ok()?, then.child(key).ok()?);
                    match was.get(key) {
                        Some(was) => self.differ((&now, &then), was, item)?,
                        None => self.rm(now),
                    }
                }
                for (key, item) in was.iter().filter(|(key, _)| !is.contains_key(*key)) {
                    self.put(now.child(key).ok()?, then.child(key).ok()?, item);
                }
            }
            _ => self.put(now.clone(), then.clone(), was),
        }
        (self.steps.len() <= RESTORED_EDITS_MAX).then_some(())
    }

    fn rm(&mut self, now: DocPath) {
        self.steps.push(Restored::Edit(Edit::Rm { rm: now }, None));
    }

    fn put(&mut self, now: DocPath, then: DocPath, value: &Json) {
        let edit = Edit::Set { set: now, value: value.clone() };
        self.steps.push(Restored::Edit(edit, Some(then)));
    }

    /// Of one list it is known which element each item is.
    fn elements(
        &mut self,
        (now, then): Paths<'_>,
        (was, is): (&[Json], &[Json]),
        aligned: Aligned,
    ) -> Option<()> {
        for pair in aligned {
            match pair {
                (Some(one), Some(two)) => {
                    let (was, is) = (was.get(one)?, is.get(two)?);
                    if was != is {
                        let paths = (&item(now, two)?, &item(then, one)?);
                        self.differ(paths, was, is)?;
                    }
                }
                (Some(one), None) => self.steps.push(Restored::Gone(item(then, one)?)),
                (None, Some(two)) => self.rm(item(now, two)?),
                (None, None) => {}
            }
            if self.steps.len() > RESTORED_EDITS_MAX {
                return None;
            }
        }
        Some(())
    }
}

fn item(list: &DocPath, index: usize) -> Option<DocPath> {
    list.child(&index.to_string()).ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Items of one name are one element, at whatever depth.
    fn names(value: &Json) -> Vec<String> {
        let name = |item: &Json| match item {
            Json::Object(fields) => fields["name"].to_string(),
            Json::Array(items) => items.first().map_or_else(String::new, ToString::to_string),
            other => other.to_string(),
        };
        value.as_array().unwrap().iter().map(name).collect()
    }

    fn steps(was: &Json, is: &Json) -> Option<Vec<Restored>> {
        let at = |value: &Json, path: &DocPath| {
            let mut at = value.clone();
            for segment in &path.segments()[1..] {
                at = match segment.parse::<usize>() {
                    Ok(index) => at[index].clone(),
                    Err(_) => at[segment].clone(),
                };
            }
            at.is_array().then(|| names(&at)).or_else(|| at.is_object().then(Vec::new))
        };
        let align = |(now, then): Paths<'_>| {
            let (was, is) = (at(was, then)?, at(is, now)?);
            let (mut aligned, mut next) = (Aligned::new(), 0);
            for (one, name) in was.iter().enumerate() {
                let two = is.iter().position(|other| other == name);
                if let Some(two) = two {
                    aligned.extend((next..two).map(|new| (None, Some(new))));
                    next = two + 1;
                }
                aligned.push((Some(one), two));
            }
            aligned.extend((next..is.len()).map(|new| (None, Some(new))));
            Some(aligned)
        };
        list(&"l".parse().unwrap(), was, is, &align)
    }

    #[test]
    fn only_what_differs_is_written_and_what_is_gone_comes_back_as_what_it_was() {
        let cases = [
            (json!(["a", "b", "c"]), json!(["a", "c"]), "gone l/1"),
            (json!(["a", "c"]), json!(["a", "b", "c"]), "rm l/1"),
            (json!(["a", "b"]), json!(["a", "x"]), "rm l/1, gone l/1"),
            (json!([{"name": 1, "j": 2}]), json!([{"name": 1, "j": 3}]), "set l/0/j"),
            (json!([{"name": 1}]), json!([{"name": 1, "j": 2}]), "rm l/0/j"),
            (json!([{"name": 1, "j": 2}]), json!([{"name": 1}]), "set l/0/j"),
            (json!([["a"], "b"]), json!([["a", "z"], "b"]), "rm l/0/1"),
            (json!([["a", "y"], "b"]), json!([["a"], "b"]), "gone l/0/1"),
            (json!(["b", "c"]), json!(["a", "b", "c", "d"]), "rm l/3, rm l/0"),
            (json!(["a", "b", "c", "d"]), json!(["b", "c"]), "gone l/3, gone l/0"),
            (json!(["a", "b"]), json!(["a", "b"]), ""),
        ];
        for (was, is, told) in cases {
            let word = |one: &Restored| match one {
                Restored::Edit(Edit::Set { set, .. }, _) => format!("set {set}"),
                Restored::Edit(Edit::Rm { rm }, _) => format!("rm {rm}"),
                Restored::Gone(from) => format!("gone {from}"),
                other @ Restored::Edit(..) => panic!("{other:?}"),
            };
            let words: Vec<_> = steps(&was, &is).unwrap().iter().map(word).collect();
            assert_eq!(words.join(", "), told, "{was} from {is}");
        }
    }

    #[test]
    fn another_list_and_what_takes_too_many_steps_are_written_as_a_whole() {
        let of = |from: usize, to: usize| Json::Array((from..to).map(Json::from).collect());
        assert_eq!(steps(&of(0, 2), &of(0, 300)), None);
        assert_eq!(steps(&of(0, 1_000), &of(2, 1_000)).unwrap().len(), 2);
        let (path, is) = ("l".parse().unwrap(), of(0, 2));
        assert_eq!(list(&path, &of(0, 3), &is, &|_| None), None);
        assert_eq!(list(&path, &json!("a"), &is, &|_| Some(Vec::new())), None);
    }
}
