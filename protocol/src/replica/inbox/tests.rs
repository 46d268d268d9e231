//! What a page may say where a document has more than it showed.

use super::*;

fn row(path: &str) -> ConflictRow {
    let path: DocPath = path.parse().unwrap();
    ConflictRow {
        id: ConflictId([1; 16]),
        document: DocumentId([2; 32]),
        path,
        kind: ConflictKind::Values,
        base: serde_json::Value::Null,
        sides: Vec::new(),
        more_sides: 0,
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
