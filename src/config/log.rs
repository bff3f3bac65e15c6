//! What is logged, and how.

use tracing_subscriber::filter::Targets;

use super::setting::Scalar;

/// What the targets of this program's log lines start with: its name, and that of a module below it.
const PROGRAM: &str = "countersign";

/// What is logged of what this program says. Libraries are never logged: HTTP, TLS, SMTP and database libraries
/// print what they send and receive, which is full of passwords and tokens.
#[derive(Clone, Debug)]
pub struct LogFilter {
    directives: String,
    targets: Targets,
}

impl LogFilter {
    /// The lines that pass.
    #[must_use]
    pub fn targets(&self) -> &Targets {
        &self.targets
    }
}

impl Default for LogFilter {
    fn default() -> Self {
        Self::parse("info").unwrap_or_else(|_| Self {
            directives: String::new(),
            targets: Targets::new(),
        })
    }
}

impl Scalar for LogFilter {
    fn parse(text: &str) -> Result<Self, String> {
        let directives = text
            .split(',')
            .map(str::trim)
            .filter(|directive| !directive.is_empty())
            .collect::<Vec<_>>()
            .join(",");
        let asked: Targets = directives.parse().map_err(|_| must())?;
        // A word that is no level is taken for a target, and would let nothing through.
        let is_ours = |target: &str| {
            let rest = target.strip_prefix(PROGRAM);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
        };
        if !asked.iter().all(|(target, _)| is_ours(target)) {
            return Err(must());
        }
        let mut targets = Targets::new();
        if let Some(level) = asked.default_level() {
            targets = targets.with_target(PROGRAM, level);
        }
        Ok(Self {
            directives,
            targets: targets.with_targets(&asked),
        })
    }

    fn print(&self) -> String {
        self.directives.clone()
    }
}

fn must() -> String {
    "it must be a level (off, error, warn, info, debug or trace), or levels for parts of this program, such as \
     `info,countersign::grpc=debug`; libraries are never logged"
        .to_owned()
}

/// How log lines look.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object per line, for collectors.
    Json,
}

impl Scalar for LogFormat {
    fn parse(text: &str) -> Result<Self, String> {
        match text {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            _ => Err("it must be text or json".to_owned()),
        }
    }

    fn print(&self) -> String {
        match self {
            Self::Text => "text",
            Self::Json => "json",
        }
        .to_owned()
    }
}

#[cfg(test)]
mod tests {
    use tracing::Level;

    use super::*;

    #[test]
    fn a_level_is_for_this_program_alone() {
        for directives in ["trace", "TRACE", " info, countersign=trace ", "trace,"] {
            let filter = LogFilter::parse(directives).unwrap();
            let passes = |target| filter.targets().would_enable(target, &Level::TRACE);
            assert!(passes("countersign::grpc"), "{directives}");
            for library in ["h2::codec", "sqlx::query", "hyper", "lettre"] {
                assert!(!passes(library), "{directives}");
            }
        }
    }

    #[test]
    fn a_part_has_a_level_of_its_own() {
        let filter = LogFilter::parse("warn,countersign::grpc=debug").unwrap();
        let passes = |target, level| filter.targets().would_enable(target, &level);
        assert!(passes("countersign::grpc::auth", Level::DEBUG));
        assert!(passes("countersign::store", Level::WARN));
        assert!(!passes("countersign::store", Level::INFO));
        assert!(!passes("sqlx", Level::ERROR));
    }

    #[test]
    fn what_would_let_nothing_through_is_refused() {
        for directives in [
            "warning",
            "verbos",
            "info,verbose",
            "countersign=verbos",
            "countersigner=debug",
            "contersign=debug",
            "sqlx=info",
            "info,=",
            "=",
            "info;debug",
        ] {
            let must = LogFilter::parse(directives).unwrap_err();
            assert!(
                must.contains("off, error, warn, info, debug or trace"),
                "{directives}"
            );
        }
    }
}
