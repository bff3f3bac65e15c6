//! `countersign doctor`: what is wrong around the server, and what to do.

use clap::Args;

use super::{
    Env, Loaded, Sources, StartError, block_on, print, print_json, start_log, table::visible,
};
use crate::app::{Finding, Severity, examine};

#[derive(Args, Debug)]
pub(super) struct Doctor {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Doctor {
    /// Looks at everything and says what came of it; fails when something has.
    pub(super) fn run(&self, sources: &Sources) -> Result<(), StartError> {
        let loaded = Loaded::from_sources(sources)?;
        let (_, _written_at_the_end) = start_log(&loaded.config)?;
        let findings = block_on(async { Ok(examine(&loaded, &Env::system()).await) })?;
        if self.json {
            print_json(&findings)?;
        } else {
            print(findings.iter().map(lines).collect::<String>())?;
        }
        match findings
            .iter()
            .filter(|it| it.severity == Severity::Failed)
            .count()
        {
            0 => Ok(()),
            1 => Err(StartError::new(
                "1 check has failed",
                "see above what to do",
            )),
            count => Err(StartError::new(
                format!("{count} checks have failed"),
                "see above what to do",
            )),
        }
    }
}

fn lines(finding: &Finding) -> String {
    let severity = match finding.severity {
        Severity::Ok => "ok",
        Severity::Warning => "warning",
        Severity::Failed => "failed",
    };
    let found = visible(&finding.found);
    let line = format!("{severity:8} {:11} {found}\n", finding.check);
    if finding.advice.is_empty() {
        return line;
    }
    format!("{line}{:20} -> {}\n", "", visible(&finding.advice))
}
