//! What may speak against a candidate, with the code that evidence, logs and tests name.

crate::code::codes! {
    /// What speaks against a candidate. `SPEC: VFY-1`
    VerdictCode:
    /// A run that was not read whole.
    Truncated = "truncated", "a run was not read whole: let its command print less";
    /// The base's run was cut off, so nothing is known of what worked.
    Unfinished = "unfinished", "the run of the base did not end by itself: run it again";
    /// The candidate's output says one thing and its exit or totals another.
    Contradicts = "contradicts", "a run of the candidate contradicts itself";
    /// The candidate's output is of another kind than the base's.
    FormatChanged = "format_changed", "the candidate reports its tests in another format";
    /// No test ran.
    NoTests = "no_tests", "no test ran on the candidate";
    /// Fewer tests than expected, or than on the base.
    TooFewTests = "too_few_tests", "too few tests ran on the candidate";
    /// It passed on the base; the base's own test fails now.
    BaseTestFails = "base_test_fails", "tests as the base has them passed there and fail now";
    /// It passed on the base; the base's own test does not appear any more.
    BaseTestGone = "base_test_gone", "tests as the base has them passed there and are gone";
    /// It passed on the base; the base's own test is skipped now.
    BaseTestSkipped = "base_test_skipped", "tests as the base has them passed there, skipped now";
    /// It passed on the base and fails as the candidate has it.
    TestFails = "test_fails", "tests passed on the base and fail now";
    /// It passed on the base and the candidate has it no more.
    TestGone = "test_gone", "tests passed on the base and are gone: bring them back";
    /// It passed on the base and is skipped as the candidate has it.
    TestSkipped = "test_skipped", "tests passed on the base and are skipped now";
    /// It did not fail on the base and fails now.
    NewFailure = "new_failure", "tests fail that did not fail on the base";
    /// The two runs of the candidate differ.
    Flaky = "flaky", "tests change their verdict from one run to the next";
    /// Nothing shows what it does, and the run that might was not made.
    Unproven = "unproven", "run the candidate's tests on the base: no test of the base shows it";
    /// That run was made and shows nothing.
    ProvesNothing = "proves_nothing", "no test fails on the base and passes on the candidate";
}
