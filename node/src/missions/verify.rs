//! Running a verification: clean checkouts, the same command on each, nothing of the agent's said.

use kernelos_protocol::change::admit_change;
use kernelos_protocol::id::EventId;
use kernelos_protocol::mission::record::Output;
use kernelos_protocol::mission::verification::{RUNS, needs_last_run};
use kernelos_protocol::mission::work::{CommandLog, CommandRun, Order, Outcome};
use kernelos_protocol::report::Outcome as Ended;

use super::folder::oid;
use super::orders::{Desktop, Fault, changes};
use crate::git::{MissionRepo, Oid};
use crate::sandbox::Outcome as Exit;

/// Bytes that are kept of what a run printed that did not end by itself.
const CUT_LOG_BYTES: usize = 64 * 1024;

impl Desktop {
    /// Runs the command on the base, on the candidate with the base's tests, twice on the
    /// candidate, and where it is needed on the base with the candidate's tests. `SPEC: EVD-3`
    pub(super) async fn verify(
        &self,
        order: &Order,
        candidate: &Output,
        goal: &str,
        (command, tests): (&str, &[String]),
    ) -> Result<Outcome, Fault> {
        let repository = self.candidate(order, candidate, goal).await?;
        let changes = changes(&repository, order, candidate)?;
        let sandbox = self.worker.sandbox.as_ref().as_ref().map_err(Clone::clone)?;
        let sandbox = sandbox.level().to_string();
        let mut runs = Vec::new();
        if admit_change(&changes).is_ok() {
            let base = repository.tree_of(&oid(&order.base.commit)?)?;
            let new = repository.tree_of(&oid(&candidate.commit)?)?;
            let with_base_tests = repository.lay_over(&new, &base, tests)?;
            for (of, tree) in RUNS.iter().zip([&base, &with_base_tests, &new, &new]) {
                runs.push(self.run_on(&repository, order, of, tree, command).await?);
            }
            if needs_last_run(&runs) {
                let with_new_tests = repository.lay_over(&base, &new, tests)?;
                let [.., of] = RUNS;
                runs.push(self.run_on(&repository, order, of, &with_new_tests, command).await?);
            }
        }
        Ok(Outcome::Verified { changes, runs, sandbox })
    }

    async fn run_on(
        &self,
        repository: &MissionRepo,
        order: &Order,
        of: &str,
        tree: &Oid,
        command: &str,
    ) -> Result<CommandRun, Fault> {
        let base = oid(&order.base.commit)?;
        let commit = repository.commit(tree, &base, of)?;
        let desk = self.worker.folder.desk(&order.mission, order.ticket)?;
        repository.worktree(&desk.tree, &commit)?;
        let ran = self.run(&desk, command, None).await?;
        repository.remove_worktree(&desk.tree).ok();
        let ended = match ran.ended.outcome {
            // What was cut may have said something else.
            Exit::Exited(code) if !ran.ended.truncated => Ended::Exited(code),
            Exit::TimedOut => Ended::TimedOut,
            _ => Ended::Killed,
        };
        let mut output = String::from_utf8_lossy(&ran.printed).into_owned();
        if !matches!(ended, Ended::Exited(_)) {
            // It is no report any more: enough is kept for a person to see what it was.
            output.truncate(output.floor_char_boundary(CUT_LOG_BYTES));
        }
        let printed = CommandLog { ended, output };
        let log = self.keep_log(of, &printed).await?;
        Ok(CommandRun { of: of.to_owned(), log, printed, ms: ran.ended.ms })
    }

    async fn keep_log(&self, of: &str, printed: &CommandLog) -> Result<EventId, Fault> {
        let bytes = serde_json::to_vec(printed).map_err(|error| error.to_string())?;
        Ok(self.put(&format!("verify-{}", of.replace(' ', "-")), bytes).await?)
    }
}
