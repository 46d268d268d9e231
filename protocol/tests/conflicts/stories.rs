//! What is a conflict and what is none.

use super::world::check;

#[test]
fn different_values_put_apart_are_a_conflict_with_what_was_there_before() {
    // SPEC: CFL-1, CFL-2, CFL-3, CFL-8
    check("A set notes/x 1 | all | A set notes/x 2 | B set notes/x 3", "notes/x values 1: 2 or 3");
    check("A set notes/x 2 | B set notes/x 3", "notes/x values null: 2 or 3");
    check(
        "A set notes/x 2 | B set notes/x 3 | C set notes/x 4",
        "notes/x values null: 2 or 3 or 4",
    );
}

#[test]
fn texts_set_apart_are_a_conflict_and_texts_typed_into_are_none() {
    // SPEC: CFL-2, CFL-6
    check(r#"A set notes/x "a" | B set notes/x "b""#, r#"notes/x values null: "a" or "b""#);
    check(r#"A set notes/x "a" | all | A type notes/x b | B type notes/x c"#, "");
}

#[test]
fn equal_values_put_apart_are_no_conflict() {
    // SPEC: CFL-6
    check("A set notes/x 3 | B set notes/x 3", "");
    check(r#"A set notes/x "same" | B set notes/x "same""#, "");
    check(
        "A set notes/x 3 | B set notes/x 3 | C set notes/x 4",
        "notes/x values null: 3 or 3 or 4",
    );
}

#[test]
fn what_one_knew_of_the_other_is_no_conflict() {
    // SPEC: CFL-2
    check("A set notes/x 1 | B hears A | B set notes/x 2", "");
    check("A set notes/x {} | B hears A | B rm notes/x | A hears B", "");
}

#[test]
fn a_later_write_that_knows_both_sides_ends_a_conflict_and_another_place_does_not() {
    // SPEC: CFL-2
    let apart = "A set notes/x 1 | B set notes/x 2 | all";
    check(&format!("{apart} | C set notes/x 3"), "");
    check(&format!("{apart} | C rm notes/x"), "");
    check(&format!("{apart} | C set notes/y 3"), "notes/x values null: 1 or 2");
    check(
        "A set notes/x 1 | B set notes/x 2 | C set notes/x 3 | A hears B | A set notes/x 4",
        "notes/x values null: 3 or 4",
    );
}

#[test]
fn setting_the_value_that_is_shown_decides_for_it() {
    // SPEC: CFL-3. Automerge writes that as a delete of the other value.
    let decided = "A set notes/x 2 | B set notes/x 3 | all | A set notes/x 3";
    check(decided, "");
    check(&format!("{decided} | C set notes/x 3"), "");
    check(&format!("{decided} | C set notes/x 4"), "notes/x delete_edit 3: 3 or 4");
    check(&format!("{decided} | C rm notes/x"), "notes/x delete_edit 3: 3 or gone");
    check(
        "A set notes/l [0] | all | A set notes/l/0 2 | B set notes/l/0 3 | all | A set notes/l/0 3 \
         | C set notes/l/0 4",
        "notes/l/0 delete_edit 3: 3 or 4",
    );
    check(
        "A set notes/x 2 | B set notes/x 3 | C set notes/x 4 | A hears B | A set notes/x 3",
        "notes/x values null: 3 or 4",
    );
}

#[test]
fn maps_made_apart_are_a_conflict_even_if_equal() {
    // SPEC: CFL-6
    check(
        r#"A set notes/x {"a":1} | B set notes/x {"b":2}"#,
        r#"notes/x values null: {"a":1} or {"b":2}"#,
    );
    check("A set notes/x/a 1 | B set notes/x/a 1", r#"notes/x values null: {"a":1} or {"a":1}"#);
    check("A set notes/x [] | B set notes/x []", "notes/x values null: [] or []");
}

#[test]
fn a_side_shows_what_its_value_is_now() {
    // SPEC: CFL-8
    check(
        r#"A set notes/x {} | B set notes/x 2 | A set notes/x/later 1"#,
        r#"notes/x values null: 2 or {"later":1}"#,
    );
}

#[test]
fn a_delete_against_a_put_is_a_conflict() {
    // SPEC: CFL-3
    let one = "A set notes/x 1 | all";
    check(&format!("{one} | A rm notes/x | B set notes/x 2"), "notes/x delete_edit 1: 2 or gone");
    check(
        &format!("{one} | A rm notes/x | B set notes/x 2 | C set notes/x 3"),
        "notes/x values 1: 2 or 3 or gone",
    );
    check(&format!("{one} | A rm notes/x | B rm notes/x"), "");
    check(
        &format!("{one} | A rm notes/x | B set notes/x null"),
        "notes/x delete_edit 1: gone or null",
    );
}

#[test]
fn a_delete_against_an_edit_below_is_a_conflict() {
    // SPEC: CFL-4
    let map = r#"A set notes/x {"a":{"b":1}} | all"#;
    check(
        &format!("{map} | A rm notes/x | B set notes/x/a/b 2"),
        r#"notes/x delete_edit {"a":{"b":1}}: gone or {"a":{"b":2}}"#,
    );
    check(
        &format!("{map} | A rm notes/x | B rm notes/x/a"),
        r#"notes/x delete_edit {"a":{"b":1}}: gone or {}"#,
    );
    check(
        &format!(
            "{map} | A rm notes/x | B set notes/x/c 3 | B set notes/x/d 4 | C set notes/x/e 5"
        ),
        concat!(
            r#"notes/x delete_edit {"a":{"b":1}}: gone or "#,
            r#"{"a":{"b":1},"c":3,"d":4} or {"a":{"b":1},"e":5}"#
        ),
    );
    check(
        r#"A set notes/x "text" | all | A rm notes/x | B type notes/x my"#,
        r#"notes/x delete_edit "text": "mytext" or gone"#,
    );
    check(
        "A set notes/x [1] | all | A rm notes/x | B set notes/x/1 2",
        "notes/x delete_edit [1]: [1,2] or gone",
    );
}

#[test]
fn replacing_what_another_edits_below_is_a_conflict() {
    // SPEC: CFL-4
    check(
        r#"A set notes/x "old" | all | A set notes/x "new" | B type notes/x c"#,
        r#"notes/x delete_edit "old": "cold" or "new""#,
    );
    check(
        "A set notes/x [] | all | A set notes/x 1 | B set notes/x 2 | C set notes/x/0 3",
        "notes/x values []: 1 or 2 or [3]",
    );
}

#[test]
fn an_edit_below_is_a_side_until_its_place_is_written_by_who_knows_it() {
    // SPEC: CFL-2, CFL-5
    let lost = "A set notes/x {} | all | A rm notes/x | B set notes/x/a 1";
    check(&format!("{lost} | B rm notes/x"), "");
    check(&format!("{lost} | B set notes/x 2"), "notes/x delete_edit {}: 2 or gone");
    check(&format!("{lost} | all | C set notes/x 5"), "");
    check(
        &format!("{lost} | A set notes/x {{}} | all | C set notes/x/c 5"),
        r#"notes/x delete_edit {}: {"a":1} or {"c":5}"#,
    );
}

#[test]
fn an_edit_of_what_the_author_had_removed_is_none() {
    // SPEC: CFL-4
    check("A set notes/x {} | all | A set notes/x/a 1 | A rm notes/x | B rm notes/x", "");
}

#[test]
fn counters_added_to_apart_are_no_conflict_but_removing_one_is() {
    // SPEC: CFL-4, CFL-6
    let counter = "A count notes/x 10 | all";
    check(&format!("{counter} | A add notes/x 1 | B add notes/x 2"), "");
    check(
        &format!("{counter} | A rm notes/x | B add notes/x 2"),
        "notes/x delete_edit 10: 12 or gone",
    );
    check(
        &format!("{counter} | A set notes/x 3 | B add notes/x 2"),
        "notes/x delete_edit 10: 12 or 3",
    );
}

#[test]
fn lists_conflict_element_by_element() {
    // SPEC: CFL-3, CFL-4, CFL-6
    let list = r#"A set notes/l [0,{"a":1},2] | all"#;
    check(&format!("{list} | A set notes/l/3 8 | B set notes/l/3 9"), "");
    check(&format!("{list} | A rm notes/l/2 | B rm notes/l/2"), "");
    check(&format!("{list} | A set notes/l/2 8 | B set notes/l/2 9"), "notes/l/2 values 2: 8 or 9");
    check(
        &format!("{list} | A rm notes/l/0 | A set notes/l/1 8 | B set notes/l/2 9"),
        "notes/l/1 values 2: 8 or 9",
    );
    check(
        &format!("{list} | A rm notes/l/2 | B set notes/l/2 9"),
        "notes/l/2 delete_edit 2: 9 or gone",
    );
    check(
        &format!("{list} | A rm notes/l/1 | B set notes/l/1/a 5"),
        r#"notes/l/1 delete_edit {"a":1}: gone or {"a":5}"#,
    );
    check(
        &format!("{list} | A set notes/l/1 7 | all | A set notes/l/1 8 | B rm notes/l/1"),
        "notes/l/1 delete_edit 7: 8 or gone",
    );
}

#[test]
fn only_the_outermost_of_nested_conflicts_is_listed() {
    // SPEC: CFL-7
    let inner = r#"A set notes/x {"a":1} | all | B set notes/x/a 2 | C set notes/x/a 3"#;
    check(inner, "notes/x/a values 1: 2 or 3");
    check(
        &format!("{inner} | all | A set notes/x 0 | B set notes/x 1"),
        r#"notes/x values {"a":3}: 0 or 1"#,
    );
    check(
        &format!("{inner} | A rm notes/x | all | A set notes/y 1"),
        r#"notes/x delete_edit {"a":1}: gone or {"a":2} or {"a":3}"#,
    );
    check(&format!("{inner} | all | A rm notes/x"), "");
}

#[test]
fn several_conflicts_are_listed_by_path() {
    // SPEC: CFL-9
    check(
        "A set notes/b 1 | A set notes/a 1 | B set notes/a 2 | B set notes/b 2",
        "notes/a values null: 1 or 2; notes/b values null: 1 or 2",
    );
}
