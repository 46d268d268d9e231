//! What a script that reads a path gets, and when a wait is told of.

use std::cell::Cell;

use clap::Parser as _;

use super::*;

#[derive(clap::Parser)]
struct Line {
    #[command(subcommand)]
    args: Args,
}

#[test]
fn who_reads_a_path_gets_the_present_unless_it_asks_for_a_glance() {
    // SPEC: DUR-9
    for (words, is_glance) in
        [(&["doc", "get", "a"][..], false), (&["doc", "get", "--glance"], true)]
    {
        let args = Line::try_parse_from(words).unwrap().args;
        assert!(matches!(args, Args::Get { glance, .. } if glance == is_glance), "{args:?}");
    }
    assert!(Line::try_parse_from(["doc", "get", "--glance", "--at", "1 h ago"]).is_err());
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_the_present_is_told_once_and_only_where_it_takes_long() {
    // SPEC: DUR-9
    for (takes_ms, often) in [(0, 0), (499, 0), (501, 1), (60_000, 1)] {
        let told = Cell::new(0);
        let answer = async {
            sleep(Duration::from_millis(takes_ms)).await;
            "the value"
        };
        let tell = async { told.set(told.get() + 1) };
        assert_eq!(told_after(SOON, answer, tell).await, "the value");
        assert_eq!(told.get(), often, "{takes_ms} ms");
    }
    // Who cannot be told is answered all the same.
    let answer = async { sleep(2 * SOON).await };
    told_after(SOON, answer, std::future::pending()).await;
}
