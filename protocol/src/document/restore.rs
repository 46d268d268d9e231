//! The edits after which a list shows again what it showed, item by item: what stands there still
//! is left as it is, with what others wrote in it and with its conflicts, which an undo of
//! something else does not decide. `SPEC: UNDO-2`

use serde_json::Value as Json;

use super::{DocPath, Edit};
use crate::limits::{RESTORED_EDITS_MAX, RESTORED_PAIRS_MAX};

/// One edit of them.
#[derive(Debug, PartialEq)]
pub(super) struct Restored {
    /// What is written: each is done where the ones before it did not move it.
    pub(super) edit: Edit,
    /// Where what it writes stood before; none of a removal.
    pub(super) from: Option<DocPath>,
    /// It puts in an item of the same list that was removed.
    pub(super) is_gone: bool,
}

/// Items of a list as it was and as it is, by index: the same where it has both.
pub(super) type Aligned = Vec<(Option<usize>, Option<usize>)>;

/// Says which items of a list are the same, by where it is now and was then; none where it is
/// another list: then those are that show the same.
pub(super) type Align<'a> = &'a dyn Fn(Paths<'_>) -> Option<Aligned>;

/// The edits that turn the list `is` at `path` into `was`; none where they are too many: then it
/// is written as a whole.
pub(super) fn list(
    path: &DocPath,
    was: &Json,
    is: &Json,
    align: Align<'_>,
) -> Option<Vec<Restored>> {
    if !was.is_array() || !is.is_array() {
        return None;
    }
    let mut found = Found { edits: Vec::new(), align };
    found.differ((path, path), was, is)?;
    let mut found = found.edits;
    // From the end on, so none moves what another is about.
    found.reverse();
    Some(found)
}

/// Paths of one place: as it is now, and as it was.
pub(super) type Paths<'p> = (&'p DocPath, &'p DocPath);

/// What was found so far.
struct Found<'a> {
    edits: Vec<Restored>,
    align: Align<'a>,
}

impl Found<'_> {
    fn differ(&mut self, (now, then): Paths<'_>, was: &Json, is: &Json) -> Option<()> {
        match (was, is) {
            _ if was == is => {}
            (Json::Array(was), Json::Array(is)) => match (self.align)((now, then)) {
                Some(aligned) => self.elements((now, then), (was, is), aligned)?,
                None => self.items((now, then), was, is)?,
            },
            (Json::Object(was), Json::Object(is)) => {
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
        (self.edits.len() <= RESTORED_EDITS_MAX).then_some(())
    }

    fn rm(&mut self, now: DocPath) {
        self.edits.push(Restored { edit: Edit::Rm { rm: now }, from: None, is_gone: false });
    }

    fn put(&mut self, now: DocPath, then: DocPath, value: &Json) {
        let edit = Edit::Set { set: now, value: value.clone() };
        self.edits.push(Restored { edit, from: Some(then), is_gone: false });
    }

    fn insert(&mut self, now: DocPath, then: DocPath, value: &Json, is_gone: bool) {
        let edit = Edit::Insert { insert: now, value: value.clone() };
        self.edits.push(Restored { edit, from: Some(then), is_gone });
    }

    /// Of one list it is known which element each item is.
    fn elements(
        &mut self,
        (now, then): Paths<'_>,
        (was, is): (&[Json], &[Json]),
        aligned: Aligned,
    ) -> Option<()> {
        let mut seen = 0;
        for pair in aligned {
            match pair {
                (Some(one), Some(two)) => {
                    seen = two + 1;
                    let (was, is) = (was.get(one)?, is.get(two)?);
                    if was != is {
                        let paths = (&item(now, two)?, &item(then, one)?);
                        self.differ(paths, was, is)?;
                    }
                }
                (Some(one), None) => {
                    self.insert(item(now, seen)?, item(then, one)?, was.get(one)?, true);
                }
                (None, Some(two)) => {
                    seen = two + 1;
                    self.rm(item(now, two)?);
                }
                (None, None) => {}
            }
            if self.edits.len() > RESTORED_EDITS_MAX {
                return None;
            }
        }
        Some(())
    }

    /// Items that show the same on both sides stay; between two of those the others are paired in
    /// turn.
    fn items(&mut self, (now, then): Paths<'_>, was: &[Json], is: &[Json]) -> Option<()> {
        let same = was.iter().zip(is).take_while(|(was, is)| was == is).count();
        let (left_was, left_is) = (&was[same..], &is[same..]);
        let ends = left_was.iter().rev().zip(left_is.iter().rev());
        let end = ends.take_while(|(was, is)| was == is).count();
        let left_was = &left_was[..left_was.len() - end];
        let left_is = &left_is[..left_is.len() - end];
        let mut from = (0, 0);
        let kept = common(left_was, left_is)?;
        for (of_was, of_is) in kept.into_iter().chain([(left_was.len(), left_is.len())]) {
            let (many_was, many_is) = (of_was - from.0, of_is - from.1);
            for turn in 0..many_was.max(many_is) {
                let (one, two) = (from.0 + turn, from.1 + turn);
                let (place, before) = (item(now, same + two.min(of_is))?, item(then, same + one)?);
                match (turn < many_was, turn < many_is) {
                    (true, true) => {
                        self.differ((&place, &before), &left_was[one], &left_is[two])?;
                    }
                    (true, false) => self.insert(place, before, &left_was[one], false),
                    (false, _) => self.rm(place),
                }
                if self.edits.len() > RESTORED_EDITS_MAX {
                    return None;
                }
            }
            from = (of_was + 1, of_is + 1);
        }
        Some(())
    }
}

fn item(list: &DocPath, index: usize) -> Option<DocPath> {
    list.child(&index.to_string()).ok()
}

/// A longest sequence of items that both have, by index; none where to look for it is too much.
fn common(was: &[Json], is: &[Json]) -> Option<Vec<(usize, usize)>> {
    if was.is_empty() || is.is_empty() {
        return Some(Vec::new());
    }
    if was.len().saturating_mul(is.len()) > RESTORED_PAIRS_MAX {
        return None;
    }
    // Of what is behind each pair, how many are common.
    let mut lens = vec![vec![0_u32; is.len() + 1]; was.len() + 1];
    for one in (0..was.len()).rev() {
        for two in (0..is.len()).rev() {
            lens[one][two] = match was[one] == is[two] {
                true => lens[one + 1][two + 1] + 1,
                false => lens[one + 1][two].max(lens[one][two + 1]),
            };
        }
    }
    let (mut one, mut two, mut found) = (0, 0, Vec::new());
    while one < was.len() && two < is.len() {
        if was[one] == is[two] {
            found.push((one, two));
            (one, two) = (one + 1, two + 1);
        } else if lens[one + 1][two] >= lens[one][two + 1] {
            one += 1;
        } else {
            two += 1;
        }
    }
    Some(found)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Does the edits on a value, as a document does.
    fn done(mut value: Json, edits: &[Restored]) -> Json {
        for one in edits {
            let path = one.edit.path().unwrap();
            let (last, above) = path.segments().split_last().unwrap();
            let at = above.iter().fold(&mut value, |at, segment| match at {
                Json::Array(items) => &mut items[segment.parse::<usize>().unwrap()],
                other => &mut other[segment],
            });
            match (at, &one.edit) {
                (Json::Array(items), edit) => {
                    let index: usize = last.parse().unwrap();
                    match edit {
                        Edit::Set { value, .. } => items[index] = value.clone(),
                        Edit::Insert { value, .. } => items.insert(index, value.clone()),
                        Edit::Rm { .. } => drop(items.remove(index)),
                        other => panic!("{other:?}"),
                    }
                }
                (Json::Object(fields), Edit::Set { value, .. }) => {
                    fields.insert(last.clone(), value.clone());
                }
                (Json::Object(fields), Edit::Rm { .. }) => drop(fields.remove(last)),
                (at, edit) => panic!("{edit:?} at {at}"),
            }
        }
        value
    }

    fn edits(was: &Json, is: &Json) -> Vec<Restored> {
        list(&"l".parse().unwrap(), was, is, &|_| None).unwrap()
    }

    #[test]
    fn only_what_differs_is_written() {
        let cases = [
            (json!(["a", "b", "c"]), json!(["a", "c"]), "insert l/1"),
            (json!(["a", "c"]), json!(["a", "b", "c"]), "rm l/1"),
            (json!(["a", "b"]), json!(["a", "x"]), "set l/1"),
            (json!(["a"]), json!(["a", "z"]), "rm l/1"),
            (json!([{"k": 1, "j": 2}]), json!([{"k": 3, "j": 2}]), "set l/0/k"),
            (json!([{"k": 1}]), json!([{"k": 1, "j": 2}]), "rm l/0/j"),
            (json!([["a"], "b"]), json!([["a", "z"], "b"]), "rm l/0/1"),
            (json!(["b", "c"]), json!(["a", "b", "c", "d"]), "rm l/3, rm l/0"),
            (json!(["a", "b", "c", "d"]), json!(["b", "c"]), "insert l/2, insert l/0"),
            (json!(["a", "b"]), json!(["a", "b"]), ""),
        ];
        for (was, is, told) in cases {
            let edits = edits(&was, &is);
            let word = |one: &Restored| match &one.edit {
                Edit::Set { set, .. } => format!("set {set}"),
                Edit::Insert { insert, .. } => format!("insert {insert}"),
                Edit::Rm { rm } => format!("rm {rm}"),
                other => panic!("{other:?}"),
            };
            let words: Vec<_> = edits.iter().map(word).collect();
            assert_eq!(words.join(", "), told, "{was} from {is}");
        }
    }

    #[test]
    fn whatever_two_lists_are_the_edits_turn_one_into_the_other() {
        let mut seed = 7_u64;
        let mut roll = |of: u64| {
            seed = seed
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (seed >> 33) % of
        };
        for _ in 0..2_000 {
            let [was, is] = [0, 1].map(|_| {
                let len = roll(7);
                let item = |kind| match kind {
                    0..=3 => json!(kind),
                    4 => json!([1, 2]),
                    5 => json!([2]),
                    6 => json!({"k": 1}),
                    _ => json!({"k": 2, "j": [1]}),
                };
                Json::Array((0..len).map(|_| item(roll(8))).collect())
            });
            let edits = edits(&was, &is);
            let done = done(json!({ "l": is.clone() }), &edits);
            assert_eq!(done["l"], was, "from {is} by {edits:?}");
        }
    }

    #[test]
    fn what_takes_too_many_edits_is_written_as_a_whole() {
        let of = |from: usize, to: usize| Json::Array((from..to).map(Json::from).collect());
        let path = "l".parse().unwrap();
        assert_eq!(list(&path, &of(0, 257), &of(1_000, 1_257), &|_| None), None);
        assert_eq!(list(&path, &of(0, 250), &of(0, 2_000), &|_| None), None);
        // A long list of which little differs is not.
        let (was, is) = (of(0, 100_000), of(1, 100_000));
        assert_eq!(list(&path, &was, &is, &|_| None).unwrap().len(), 1);
        assert_eq!(list(&path, &json!("a"), &was, &|_| None), None);
    }
}
