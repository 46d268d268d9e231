//! What a page may say where a document has more than it showed.

use super::*;

/// The same that is so large.
fn large(path: &str, bytes: usize) -> ConflictRow {
    ConflictRow { base: "x".repeat(bytes).into(), ..row(path) }
}

fn paths(listing: Listing) -> Vec<String> {
    listing.page().conflicts.iter().map(|row| row.path.to_string()).collect()
}

#[test]
fn of_two_documents_that_go_on_the_one_whose_rows_end_first_is_the_end() {
    // SPEC: CFL-9
    let rows = |paths: &[&str]| paths.iter().map(|path| row(path)).collect::<Vec<_>>();
    let (early, late) = (["a/a", "a/m"], ["a/b", "b/z"]);
    for parts in [[&early, &late], [&late, &early]] {
        let mut listing = Listing::new();
        for part in parts {
            listing.total += 7;
            listing.add(rows(part), true);
        }
        assert_eq!(paths(listing), ["a/a", "a/b", "a/m"], "b/a may be in the first");
    }
}

#[test]
fn behind_what_was_cut_off_nothing_is_listed_however_small_it_is() {
    // SPEC: CFL-9
    let half = CONFLICTS_LISTED_BYTES_MAX / 2;
    let mut listing = Listing::new();
    listing.total = 5;
    listing.add(vec![large("a/a", half), large("a/b", half), large("a/c", half)], false);
    listing.add(vec![row("a/d"), row("a/0")], false);
    assert_eq!(paths(listing), ["a/0", "a/a"], "a/b comes on the next page, and a/d behind it");
}

fn row(path: &str) -> ConflictRow {
    let path: DocPath = path.parse().unwrap();
    ConflictRow {
        id: ConflictId([1; 16]),
        document: DocumentId([2; 32]),
        path,
        kind: ConflictKind::Values,
        base: serde_json::Value::Null,
        now: serde_json::Value::Null,
        sides: Vec::new(),
        more_sides: 0,
        below: Vec::new(),
        below_more: 0,
        why: String::new(),
        common: Vec::new(),
        next: Vec::new(),
        open: true,
    }
}

#[test]
fn nothing_is_listed_behind_the_place_up_to_which_all_documents_are_known() {
    // SPEC: CFL-9
    let rows = |paths: &[&str]| paths.iter().map(|path| row(path)).collect::<Vec<_>>();
    let (long, short) = (["a/a", "a/m", "b/c"], ["a/b", "b/z"]);
    let parts = [(&long[..], true), (&short[..], false)];
    for parts in [parts, [parts[1], parts[0]]] {
        let mut listing = Listing::new();
        for (paths, is_cut) in parts {
            listing.total += paths.len() + usize::from(is_cut) * 7;
            listing.add(rows(paths), is_cut);
        }
        let page = listing.page();
        let shown: Vec<_> = page.conflicts.iter().map(|row| row.path.to_string()).collect();
        assert_eq!(
            shown,
            ["a/a", "a/b", "a/m", "b/c"],
            "b/d may be in the first, and is not known"
        );
        assert_eq!((page.more, page.next), (8, Some(place_of(&row("b/c")))));
    }
}
